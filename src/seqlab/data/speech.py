"""Spoken words as sequences: hear one, and say at its end which it was."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

import numpy as np
import torch

from seqlab.data import formants
from seqlab.data.base import SPLITS, ArrayData, Batch, Split, fingerprint, one_of
from seqlab.data.mel import WINDOW, bank, log_mel
from seqlab.data.split import three_ways
from seqlab.data.words import RATE, Words, read_folder
from seqlab.errors import DataError
from seqlab.spec import Classes, DataSpec, Metric, Reals

Features = Literal["logmel", "raw"]
HoldOut = Literal["speaker", "file"]


class Speech(ArrayData):
    """Spoken words, one per sequence, with the word asked for after the last step.

    A step is a log-mel frame (25 ms, every 10 ms) or some raw samples at 8 kHz. Each component is standardised by the
    words to learn from; shorter words are padded with zeros at the front, so the last step is the end of every word.

    Without ``folder`` it is a thousand synthesised words, which are no recordings: ten words of three vowels by twenty
    speakers (``formants``). Half of the words are the others backwards, so without the order no more than half of the
    answers can be right.

    By default whole speakers are held out, a fifth of them for the test and a tenth for validation, since a net that
    has heard a voice knows more than the words. ``hold_out="file"`` holds out such shares of each word instead.

    Args:
        batch_size: B.
        seed: of the order of training batches; the split is the same for all seeds.
        folder: a folder of wav files, whose names or sub-folders tell the word (``words.read_folder``).
        features: ``"logmel"`` or ``"raw"``.
        n_mels: the bands of a log-mel frame.
        frame: the samples in a step of raw sound.
        seconds: what is heard of each word, up to its end; ``None`` for all of it.
        hold_out: what is not heard in training: a ``"speaker"`` or a ``"file"``.
        workers: as ``SequenceData`` has them.

    Raises:
        DataError: no such folder, no wav files or one that cannot be used, a single label, too few speakers or files
            to hold some out, a label that training has not, or more bands than there are frequencies.
    """

    def __init__(
        self,
        batch_size: int,
        seed: int,
        folder: str | None = None,
        features: Features = "logmel",
        n_mels: int = 40,
        frame: int = 40,
        seconds: float | None = None,
        hold_out: HoldOut = "speaker",
        workers: int = 0,
    ):
        super().__init__(batch_size, seed, workers)
        if seconds is not None and seconds * RATE < WINDOW:
            raise DataError(f"data.seconds={seconds}: expected at least {WINDOW / RATE}, one frame.")
        self.features = one_of("data.features", features, get_args(Features))
        self.hold_out = one_of("data.hold_out", hold_out, get_args(HoldOut))
        self.folder, self.n_mels, self.frame, self.seconds = folder, n_mels, frame, seconds

    def arrays(self) -> dict[Split, Batch]:
        """Sequences (n, T, D) of reals, and classes (n,)."""
        words = formants.words() if self.folder is None else read_folder(self.folder)
        places = self._places(words)
        names = np.unique(words.labels)
        y = np.searchsorted(names, words.labels)
        frames = self._frames(words)
        heard = np.concatenate([frames[i] for i in places["train"]])
        offset, scale = heard.mean(0), heard.std(0)
        scale[scale == 0] = 1
        x = _padded([(one - offset) / scale for one in frames])
        self.fingerprint = fingerprint(x, y, *places.values())
        self.spec = DataSpec(
            inputs=Reals(x.shape[-1]),
            targets=Classes(len(names)),
            loss_at="last",
            metric=Metric("accuracy", "max", "share of words"),
            references=_references(frames, y, places),
        )
        return {split: (torch.from_numpy(x[places[split]]), torch.from_numpy(y[places[split]])) for split in SPLITS}

    def _places(self, words: Words) -> dict[Split, np.ndarray]:
        """Where the words of each split are."""
        labels, source = words.labels, f"data.folder={self.folder}"
        if len(set(labels)) < 2:
            raise DataError(
                f"{source}: a single label, {labels[0]}. Labels are sub-folders, or names up to the first _."
            )
        if self.hold_out == "file":
            label, n = Counter(labels.tolist()).most_common()[-1]
            if n < len(SPLITS):
                raise DataError(f"{source}: the label {label} has too few files, {n}; expected one for each split.")
            return three_ways(labels)
        if "" in words.speakers:
            raise DataError(f"{source}: not every file's name tells its speaker. Take data.hold_out=file.")
        who = np.unique(words.speakers)
        if len(who) < len(SPLITS):
            raise DataError(f"{source}: too few speakers ({', '.join(who)}). Take data.hold_out=file.")
        held = three_ways(np.zeros(len(who)))
        places = {split: np.flatnonzero(np.isin(words.speakers, who[held[split]])) for split in SPLITS}
        unheard = sorted(set(labels) - set(labels[places["train"]]))
        if unheard:
            raise DataError(f"{source}: no speaker in training says {unheard[0]}. Take data.hold_out=file.")
        return places

    def _frames(self, words: Words) -> list[np.ndarray]:
        """The steps of each word (T, D)."""
        last = 0 if self.seconds is None else round(self.seconds * RATE)
        waves = [wave[-last:] for wave in words.waves]
        if self.features == "logmel":
            weights = bank(self.n_mels)
            return [log_mel(wave, weights) for wave in waves]
        return [np.pad(wave, (-len(wave) % self.frame, 0)).reshape(-1, self.frame) for wave in waves]


def _padded(frames: list[np.ndarray]) -> np.ndarray:
    """Sequences (n, T, D) with zeros before the shorter ones."""
    padded = np.zeros((len(frames), max(map(len, frames)), frames[0].shape[1]), dtype=np.float32)
    for row, steps in zip(padded, frames, strict=True):
        row[-len(steps) :] = steps
    return padded


def _references(frames: list[np.ndarray], y: np.ndarray, places: dict[Split, np.ndarray]) -> dict[str, float]:
    """Always the most frequent word, and a linear classifier (ridge) of a word's mean step, which knows no order."""
    from sklearn.linear_model import RidgeClassifier

    train, test = places["train"], places["test"]
    means = np.stack([steps.mean(0) for steps in frames])
    linear = RidgeClassifier().fit(means[train], y[train])
    return {
        "chance": float((y[test] == np.bincount(y[train]).argmax()).mean()),
        "mean_step": float(linear.score(means[test], y[test])),
    }
