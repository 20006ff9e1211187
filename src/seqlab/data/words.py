"""Spoken words: their sound, what is said, and by whom; read from a folder of wav files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import signal
from scipy.io import wavfile

from seqlab.data import files as named
from seqlab.errors import DataError

RATE = 8000
"""Samples per second, as on the telephone; other rates are converted."""


class Words(NamedTuple):
    """Some spoken words.

    Attributes:
        waves: the samples of each, at ``RATE``, between −1 and 1.
        labels: what is said (n,).
        speakers: who says it (n,); ``""`` where it is not known.
    """

    waves: Sequence[np.ndarray]
    labels: np.ndarray
    speakers: np.ndarray


def read_folder(folder: str) -> Words:
    """The words in a folder of wav files, or in its sub-folders.

    In sub-folders, their name is the label; else the label is a file's name up to its first ``_``. Of what is left of
    the name, the part before ``_``, if there is one, is the speaker::

        7_jackson_32.wav               7      jackson       as in the Free Spoken Digit Dataset
        yes/0a7c2a8d_nohash_0.wav      yes    0a7c2a8d      as in Speech Commands
        yes/12.wav                     yes    not known

    Raises:
        DataError: no such folder, no wav files, files both beside and in sub-folders, or one that cannot be used.
    """
    root = named.existing_folder(folder, "wav files")
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() == ".wav")
    if not paths:
        raise DataError(f"data.folder={folder}: no wav files there or in its sub-folders.")
    flat = {path.parent == root for path in paths}
    if len(flat) > 1:
        raise DataError(
            f"data.folder={folder}: wav files both in it and in its sub-folders; labels are told by either."
        )
    labels, speakers = zip(*(_name(path, flat == {True}) for path in paths), strict=True)
    return Words([read(path) for path in paths], np.array(labels), np.array(speakers))


def _name(path: Path, flat: bool) -> tuple[str, str]:
    """Label and speaker."""
    parts = path.stem.split("_")
    label = parts.pop(0) if flat else path.parent.name
    return label, parts[0] if len(parts) > 1 else ""


def read(path: Path) -> np.ndarray:
    """The samples of a wav file (n,) at ``RATE``; channels are averaged.

    Raises:
        DataError: it is no wav file, is cut short, holds no samples or some that are no numbers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are not sound
            warnings.filterwarnings("error", ".*EOF", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except Exception as error:
        raise DataError(
            f"{path}: not a wav file that can be read ({error}). Convert it to PCM, or remove it."
        ) from error
    if not samples.size:
        raise DataError(f"{path}: the wav file holds no samples. Remove it.")
    wave = _scaled(samples).reshape(len(samples), -1).mean(1)
    if not np.isfinite(wave).all():
        raise DataError(f"{path}: a sample is not a number. Mend or remove it.")
    common = math.gcd(rate, RATE)
    return signal.resample_poly(wave, RATE // common, rate // common)


def _scaled(samples: np.ndarray) -> np.ndarray:
    """As reals between −1 and 1; bytes are centred on 128, and 24 bits come as the upper ones of 32."""
    if samples.dtype == np.uint8:
        return (samples - 128.0) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples / -float(np.iinfo(samples.dtype).min)
    return samples.astype(float)
