"""Which items are held out of training where a data set comes in one piece: by lot, and alike for all seeds."""

from __future__ import annotations

import numpy as np

from seqlab.data.base import Split

SEED = 7
"""Of the lot, by NumPy's ``default_rng``."""

SHARES: tuple[tuple[Split, float], ...] = (("test", 0.2), ("val", 0.125))
"""What is held out, one after the other: a fifth of all for the test, then a tenth of all for validation."""


def held_out(classes: np.ndarray, share: float) -> np.ndarray:
    """Which of n items are held out (n,) bool: the same share of each class, and at least one item.

    Args:
        classes: the class of each item (n,).
        share: of each class, between 0 and 1.
    """
    rng = np.random.default_rng(SEED)
    chosen = np.zeros(len(classes), dtype=bool)
    for one in np.unique(classes):
        items = rng.permutation(np.flatnonzero(classes == one))
        chosen[items[: max(1, round(share * len(items)))]] = True
    return chosen


def three_ways(classes: np.ndarray) -> dict[Split, np.ndarray]:
    """The places of the items of each split; each class should have three items or more."""
    places: dict[Split, np.ndarray] = {"train": np.arange(len(classes))}
    for split, share in SHARES:
        rest = places["train"]
        out = held_out(classes[rest], share)
        places |= {"train": rest[~out], split: rest[out]}
    return places
