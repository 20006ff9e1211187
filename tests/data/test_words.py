"""A folder of wav files is read whatever its rates, widths, channels and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from seqlab.data.words import RATE, read, read_folder
from seqlab.errors import DataError

FORMS = {"u1": (127, 128), "i2": (2**15 - 1, 0), "i4": (2**31 - 1, 0), "f4": (1, 0), "f8": (1, 0)}


def sine(rate: int, seconds: float = 0.25) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_every_width_and_rate_gives_the_same_sound(tmp_path: Path, form: str, rate: int) -> None:
    """8 bits, 16 bits, 32 bits and floats at three rates are one sine of 440 Hz at 8 kHz."""
    scale, centre = FORMS[form]
    wavfile.write(tmp_path / "a.wav", rate, (sine(rate) * scale + centre).round(7).astype(form))
    wave = read(tmp_path / "a.wav")
    assert len(wave) == pytest.approx(RATE * 0.25, abs=1)
    np.testing.assert_allclose(wave[200:1800], sine(RATE)[200:1800], atol=0.02)


def test_24_bits_are_read(tmp_path: Path) -> None:
    """Three bytes a sample, as studios record."""
    samples = (sine(RATE) * (2**23 - 1)).astype("<i4")
    body = samples.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    sizes = [(16).to_bytes(4, "little"), *(n.to_bytes(2, "little") for n in (1, 1)), RATE.to_bytes(4, "little")]
    form = b"".join([*sizes, (3 * RATE).to_bytes(4, "little"), (3).to_bytes(2, "little"), (24).to_bytes(2, "little")])
    data = b"data" + len(body).to_bytes(4, "little") + body
    chunks = b"WAVEfmt " + form + data
    (tmp_path / "a.wav").write_bytes(b"RIFF" + len(chunks).to_bytes(4, "little") + chunks)
    np.testing.assert_allclose(read(tmp_path / "a.wav"), sine(RATE), atol=1e-5)


def test_channels_are_averaged_and_strange_chunks_skipped(tmp_path: Path) -> None:
    """Left and right of opposite sign are silence; a chunk that is not sound is no fault."""
    left = sine(RATE)
    wavfile.write(tmp_path / "a.wav", RATE, np.stack([left, -left], 1).astype("f4"))
    np.testing.assert_allclose(read(tmp_path / "a.wav"), 0, atol=1e-7)
    wavfile.write(tmp_path / "b.wav", RATE, np.stack([left, 0 * left], 1).astype("f4"))
    content = (tmp_path / "b.wav").read_bytes() + b"note\x04\x00\x00\x00hey!"
    (tmp_path / "b.wav").write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    np.testing.assert_allclose(read(tmp_path / "b.wav"), left / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "labels", "speakers"),
    [
        (["7_jackson_32.wav", "1_theo_0.WAV"], ["1", "7"], ["theo", "jackson"]),
        (["yes/0a7c_nohash_0.wav", "no/0a7c_nohash_1.wav"], ["no", "yes"], ["0a7c", "0a7c"]),
        (["yes/12.wav", "no/1.wav"], ["no", "yes"], ["", ""]),
        (["yes_1.wav", "no_1.wav"], ["no", "yes"], ["", ""]),
    ],
)
def test_names_tell_the_word_and_its_speaker(
    tmp_path: Path, names: list[str], labels: list[str], speakers: list[str]
) -> None:
    """The sub-folder or the first part of the name, and the next part if more follow it."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        wavfile.write(tmp_path / name, RATE, sine(RATE).astype("f4"))
    words = read_folder(str(tmp_path))
    assert words.labels.tolist() == labels
    assert words.speakers.tolist() == speakers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"bad\.wav: not a wav file that can be read"),
        (b"ID3 this is an mp3", r"bad\.wav: not a wav file that can be read"),
        ("cut", r"bad\.wav: not a wav file that can be read"),
        ("empty", r"bad\.wav: the wav file holds no samples"),
        ("nan", r"bad\.wav: a sample is not a number"),
    ],
)
def test_a_wav_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | str, message: str) -> None:
    """In one line."""
    path = tmp_path / "bad.wav"
    sounds = {"cut": sine(RATE), "empty": np.zeros(0), "nan": np.full(100, np.nan)}
    if isinstance(content, str):
        wavfile.write(path, RATE, sounds[content].astype("f4"))
        content = path.read_bytes()[:-501] if content == "cut" else path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_folder_without_words_is_refused(tmp_path: Path) -> None:
    """None there, a file, nothing in it, or labels told in two ways."""
    with pytest.raises(DataError, match=r"data\.folder=.*nowhere: no such folder\. Give one that holds wav files"):
        read_folder(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"no wav files there or in its sub-folders"):
        read_folder(str(tmp_path))
    (tmp_path / "yes").mkdir()
    for name in ("no_1.wav", "yes/1.wav"):
        wavfile.write(tmp_path / name, RATE, sine(RATE).astype("f4"))
    with pytest.raises(DataError, match=r"no_1\.wav: is a file"):
        read_folder(str(tmp_path / "no_1.wav"))
    with pytest.raises(DataError, match=r"wav files both in it and in its sub-folders"):
        read_folder(str(tmp_path))
