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
CAUTION = 5
"""Below so many seeds the bootstrap's 95 % are 80 to 87 (three seeds, three to twelve tasks)."""

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
    return _bootstrapped(lambda drawn: float(trim_mean(np.concatenate(drawn), 0.25)), scores)


def profile(scores: Scores, thresholds: Sequence[float]) -> list[Interval]:
    """The share of all runs that score above each threshold (Dolan & Moré 2002, as Agarwal et al. have it)."""

    def share(drawn: Sequence[np.ndarray]) -> np.ndarray:
        return (np.concatenate(drawn)[:, None] > np.asarray(thresholds)).mean(0)

    values, draws = share(_arrays(scores)), np.stack([share(drawn) for drawn in _draws(scores)])
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return [Interval(*map(float, each)) for each in zip(values, low, high, strict=True)]


def improvement(a: Scores, b: Scores) -> Interval:
    """The probability that a run of a beats one of b on a task, ties half, mean over tasks."""

    def wins(drawn: Sequence[np.ndarray]) -> float:
        halves = zip(drawn[: len(a)], drawn[len(a) :], strict=True)
        return float(np.mean([((x[:, None] > y) + (x[:, None] == y) / 2).mean() for x, y in halves]))

    return _bootstrapped(wins, [*a, *b])


def _bootstrapped(statistic: Callable[[Sequence[np.ndarray]], float], scores: Scores) -> Interval:
    low, high = np.quantile([statistic(drawn) for drawn in _draws(scores)], [0.025, 0.975])
    return Interval(statistic(_arrays(scores)), float(low), float(high))


def _arrays(scores: Scores) -> list[np.ndarray]:
    return [np.asarray(task, dtype=float) for task in scores]


def _draws(scores: Scores) -> list[list[np.ndarray]]:
    """Seeds drawn with replacement within each task, the same for the same scores."""
    rng, tasks = np.random.default_rng(0), _arrays(scores)
    return [[task[rng.integers(len(task), size=len(task))] for task in tasks] for _ in range(DRAWS)]
