"""Spoken words: who is tested was not heard in training, and only the order tells some words apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from seqlab.data import formants
from seqlab.data.base import SPLITS, SequenceData
from seqlab.data.mel import bank, log_mel
from seqlab.data.speech import Speech
from seqlab.data.words import RATE, Words
from seqlab.errors import DataError
from seqlab.testing import DataTests

RNG = np.random.default_rng(0)


def speech(**changes: object) -> Speech:
    return Speech(**{"batch_size": 16, "seed": 1, **changes})


def set_up(**changes: object) -> Speech:
    data = speech(**changes)
    data.setup()
    return data


def record(folder: Path, names: list[str], rate: int = 8000) -> str:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sound = RNG.normal(0, 0.1, (rate * (2 + i % 3) // 10, 1 + i % 2))
        wavfile.write(folder / name, rate, sound.astype("f4"))
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Three digits by four speakers, as FSDD names them, at three rates, every other one in stereo."""
    takes = [f"{digit}_{who}_{take}.wav" for digit in range(3) for who in "abcd" for take in range(4)]
    for i, rate in enumerate((8000, 16_000, 22_050)):
        record(tmp_path / "recordings", takes[i::3], rate)
    return str(tmp_path / "recordings")


class TestSynthesisedWords(DataTests):
    def make(self) -> SequenceData:
        return speech()


class TestRawSound(DataTests):
    def make(self) -> SequenceData:
        return speech(features="raw", hold_out="file")


def test_a_folder_of_recordings_is_a_data_set(folder: str) -> None:
    """Forty-eight words of three labels; by default one speaker is tested and one validated on."""
    data = set_up(folder=folder)
    assert data.spec.targets.size == 3
    assert [len(data.held[split][1]) for split in SPLITS] == [24, 12, 12]
    assert data.held["train"][0].shape[1:] == (1 + (3200 - 200) // 80, 40)
    by_file = set_up(folder=folder, hold_out="file")
    assert all(len(by_file.held[split][1].unique()) == 3 for split in SPLITS)


def test_speakers_of_one_split_are_in_no_other(folder: str) -> None:
    """All words of a speaker are on one side, and the sides are the same for every seed."""
    words = formants.words()
    places = speech()._places(words)
    who = [set(words.speakers[places[split]]) for split in SPLITS]
    assert [len(group) for group in who] == [14, 2, 4]
    assert len(set.union(*who)) == 20
    one, two = set_up(folder=folder, seed=1), set_up(folder=folder, seed=2)
    for split in SPLITS:
        assert torch.equal(one.held[split][0], two.held[split][0])


def test_the_last_step_is_the_end_of_every_word(folder: str) -> None:
    """Zeros stand before the shorter words; what is there is standardised by the words to learn from."""
    data = set_up(folder=folder)
    x = data.held["train"][0]
    silent = (x == 0).all(2)
    assert silent[:, 0].any()
    assert not silent[:, -1].any()
    assert torch.equal(silent.int().sort(1, descending=True).values, silent.int())
    heard = x[~silent]
    torch.testing.assert_close(heard.mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    torch.testing.assert_close(heard.std(0, correction=0), torch.ones(40), atol=1e-4, rtol=0)


def test_seconds_keep_the_end() -> None:
    """Of a wave that counts up to its end, the last samples are heard; short ones are padded to whole frames."""
    counting = Words([np.arange(1.0, 4001), np.arange(1.0, 1011)], np.array(["a", "b"]), np.array(["", ""]))
    long, short = speech(features="raw", frame=100, seconds=0.25)._frames(counting)
    assert long.shape == (20, 100)
    assert long.flatten().tolist() == list(range(2001, 4001))
    assert short.shape == (11, 100)
    assert short.flatten().tolist() == [0] * 90 + list(range(1, 1011))


def test_the_synthesised_words_are_what_they_say() -> None:
    """Ten words by twenty speakers, each five times; five are the others backwards; no wave is louder than 1."""
    words = formants.words()
    assert len(words.waves) == 1000
    pairs, counts = np.unique(np.stack([words.labels, words.speakers]), axis=1, return_counts=True)
    assert pairs.shape[1] == 200
    assert (counts == 5).all()
    assert {word[::-1] for word in formants.WORDS} == set(formants.WORDS)
    assert all(word[::-1] != word for word in formants.WORDS)
    assert max(abs(wave).max() for wave in words.waves) < 1
    assert 0.15 < min(map(len, words.waves)) / RATE < max(map(len, words.waves)) / RATE < 0.6


def test_a_vowel_rings_at_its_resonances() -> None:
    """A click through a resonator is loudest at its frequency."""
    click = np.zeros((2000, 2))
    click[0] = 1
    ringing = formants._resonate(click, np.full((2000, 2), [500.0, 1500.0]), 60)
    spectrum = abs(np.fft.rfft(ringing, axis=0))
    np.testing.assert_allclose(spectrum.argmax(0) * RATE / 2000, [500, 1500], atol=8)
    np.testing.assert_allclose(spectrum[0], 1, atol=1e-6)  # its gain at 0 Hz, by Klatt's A


def test_without_their_order_a_word_and_its_reverse_are_alike() -> None:
    """A linear classifier of the mean frame tells at most half of the words; told the order, it does better."""
    from sklearn.linear_model import RidgeClassifier

    data = set_up()
    assert 0.3 < data.spec.references["mean_step"] < 0.5
    words, weights = formants.words(), bank(40)
    places = speech()._places(words)
    thirds = [np.array_split(log_mel(wave, weights), 3) for wave in words.waves]
    seen = np.stack([np.concatenate([third.mean(0) for third in three]) for three in thirds])
    train, test = places["train"], places["test"]
    ordered = RidgeClassifier().fit(seen[train], words.labels[train])
    assert ordered.score(seen[test], words.labels[test]) > 0.8


FSDD = [f"{digit}_{who}_{take}.wav" for digit in range(2) for who in "abc" for take in range(3)]


@pytest.mark.parametrize(
    ("names", "hold_out", "message"),
    [
        ([f"recordings/{name}" for name in FSDD], "file", r"a single label, recordings"),
        ([*FSDD, "9_a_0.wav", "9_b_0.wav"], "file", r"the label 9 has too few files, 2; expected one for each split"),
        ([f"yes/{i}.wav" for i in range(4)] + ["no/1.wav"], "speaker", r"tells its speaker\. Take data\.hold_out=file"),
        (
            [name for name in FSDD if "c" not in name],
            "speaker",
            r"too few speakers \(a, b\)\. Take data\.hold_out=file",
        ),
        ([*FSDD, "9_a_0.wav", "8_b_0.wav", "7_c_0.wav"], "speaker", r"no speaker in training says [789]\. Take"),
    ],
)
def test_a_folder_that_cannot_be_split_is_refused(
    tmp_path: Path, names: list[str], hold_out: str, message: str
) -> None:
    """One line, with the label or the speakers, and what to do."""
    with pytest.raises(DataError, match=message) as error:
        set_up(folder=record(tmp_path / "r", names), hold_out=hold_out)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"features": "mfcc"}, r"data\.features=mfcc: expected logmel or raw"),
        ({"hold_out": "word"}, r"data\.hold_out=word: expected speaker or file"),
        ({"seconds": 0.01}, r"data\.seconds=0\.01: expected at least 0\.025, one frame"),
        ({"folder": "nowhere"}, r"data\.folder=nowhere: no such folder"),
    ],
)
def test_impossible_choices_are_refused(wrong: dict[str, object], message: str) -> None:
    """Each with the key and what it may be."""
    with pytest.raises(DataError, match=message):
        set_up(**wrong)
