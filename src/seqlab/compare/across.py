"""What cells are worth across tasks, by scores that are 0 at chance and 1 at the best possible (Agarwal et al. 2021).

A handful of seeds per task says little of each task, but something of all together: the interquartile mean leaves out
the lowest and the highest quarter of all runs, and its interval comes from a bootstrap that draws seeds within tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import trim_mean

DRAWS = 2000
"""Of the bootstrap."""
ENDS = (0.025, 0.975)
"""Of its intervals, as shares of the draws."""
CAUTION = 5
"""Below so many seeds the bootstrap's 95 % are 81 to 88 (three seeds, three to twelve tasks)."""

Scores = Sequence[Sequence[float]]
"""Normalised scores of one cell: for each task those of its seeds, in no order."""


@dataclass(frozen=True)
class Interval:
    """A number and its 95 % percentile interval."""

    value: float
    low: float
    high: float


def normalised(score: float, chance: float, best: float) -> float:
    """0 at chance, 1 at the best possible; below 0 where a cell is worse than chance."""
    return (score - chance) / (best - chance)


def interquartile_mean(scores: Scores) -> Interval:
    """The mean of the middle half of all runs."""
    (value,), draws = _both(lambda drawn: trim_mean(drawn, 0.25, axis=1), scores)
    return Interval(float(value), *map(float, np.quantile(draws, ENDS)))


def profile(scores: Scores, thresholds: Sequence[float]) -> list[Interval]:
    """The share of all runs that score above each threshold (Dolan & Moré 2002, as Agarwal et al. have it)."""
    (values,), draws = _both(lambda drawn: np.stack([(drawn > at).mean(1) for at in thresholds], 1), scores)
    low, high = np.quantile(draws, ENDS, axis=0)
    return [Interval(*map(float, each)) for each in zip(values, low, high, strict=True)]


def improvement(a: Scores, b: Scores) -> float:
    """The probability that a run of a beats one of b on a task, ties half, mean over tasks."""
    signs = (np.sign(np.subtract.outer(x, y)).mean() for x, y in zip(a, b, strict=True))
    return float(np.mean([(1 + sign) / 2 for sign in signs]))


def _both(statistic: Callable[[np.ndarray], np.ndarray], scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of all runs, and of those of each draw, which are the rows of what it is given."""
    return statistic(np.concatenate(scores)[None]), statistic(_draws(scores))


def _draws(scores: Scores) -> np.ndarray:
    """Seeds drawn with replacement within each task, the same for the same scores; a row for each draw."""
    rng = np.random.default_rng(0)
    drawn = [np.asarray(task)[rng.integers(len(task), size=(DRAWS, len(task)))] for task in scores]
    return np.concatenate(drawn, axis=1)
