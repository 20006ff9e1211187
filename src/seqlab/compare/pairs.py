"""Which of two experiments is better, and whether their seeds suffice to say so.

Where both have the same seeds, these are pairs, and what counts is the difference within each: Student's paired t-test.
Else it is Welch's. All pairs of a table are one family, whose p-values are corrected after Holm (1979).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats
from scipy.special import stdtr

LEVEL = 0.05
"""A difference is decided where its corrected p-value is below this."""
MOST = 1000
"""Seeds beyond which nobody is told how many it would take."""


@dataclass(frozen=True)
class Pair:
    """Two experiments beside each other.

    Attributes:
        better: the name of the one with the better mean.
        worse: the name of the other.
        n: seeds that both have; 0 where they share fewer than two, and all seeds of each are compared.
        difference: of the means, of the paired seeds where there are pairs; never negative.
        p: corrected for how many pairs there are; NaN where there are not two seeds.
        effect: the difference in standard deviations: of the paired differences (Cohen's d_z), or pooled (Cohen's d).
        wins: the probability that a run of the better one beats a run of the other, ties half (Mann & Whitney 1947).
        more: about how many more seeds would decide it, if means and spreads stay as they are; 0 where it is decided,
            ``None`` beyond ``MOST``.
    """

    better: str
    worse: str
    n: int
    difference: float
    p: float
    effect: float
    wins: float
    more: int | None

    @property
    def decided(self) -> bool:
        """Whether the better one is better."""
        return self.p < LEVEL


def pairs(scores: Mapping[str, Mapping[str, float]], sign: int) -> list[Pair]:
    """All pairs of some experiments.

    Args:
        scores: of each experiment its score by seed.
        sign: 1 where less is better, -1 where more is.
    """
    names = [name for name, by_seed in scores.items() if by_seed]
    tests = [_test(a, b, scores, sign) for a, b in combinations(names, 2)]
    corrected = holm([test.p for test in tests])
    return [_pair(test, p, len(tests)) for test, p in zip(tests, corrected, strict=True)]


def ranks(names: Sequence[str], compared: Sequence[Pair]) -> dict[str, tuple[int, int]]:
    """The best and the worst place that each experiment can have, given what is decided.

    With the pairs' familywise error these ranges hold together (Mohamad, Goeman & van Zwet 2019).
    """
    decided = [pair for pair in compared if pair.decided]
    above = {name: sum(pair.worse == name for pair in decided) for name in names}
    below = {name: sum(pair.better == name for pair in decided) for name in names}
    return {name: (1 + above[name], len(names) - below[name]) for name in names}


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number, so that with 95 % none of them is wrongly below 0.05 (Holm 1979)."""
    known = [i for i in np.argsort(p) if not math.isnan(p[i])]
    corrected, largest = [math.nan] * len(p), 0.0
    for rank, i in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p[i]))
        corrected[i] = largest
    return corrected


@dataclass(frozen=True)
class _Test:
    better: str
    worse: str
    n: int
    difference: float
    deviation: float  # of one observation of the difference
    sizes: tuple[int, int]
    p: float
    wins: float


def _test(a: str, b: str, scores: Mapping[str, Mapping[str, float]], sign: int) -> _Test:
    """One pair, the better first, with its uncorrected p-value."""
    shared = sorted(scores[a].keys() & scores[b].keys())
    paired = len(shared) > 1
    x, y = (np.array([by[s] for s in shared] if paired else list(by.values())) for by in (scores[a], scores[b]))
    difference = sign * float(y.mean() - x.mean())  # above 0 where a is better
    if difference < 0:
        a, b, x, y, difference = b, a, y, x, -difference
    wins = float(np.mean([(sign * (v - u) > 0) + (v == u) / 2 for u in x for v in y]))
    if min(len(x), len(y)) < 2:
        return _Test(a, b, 0, difference, math.nan, (len(x), len(y)), math.nan, wins)
    if paired:
        deviation = float(np.std(y - x, ddof=1))
        p = _p(difference, deviation / math.sqrt(len(x)), len(x) - 1)
        return _Test(a, b, len(x), difference, deviation, (len(x), len(x)), p, wins)
    deviation = math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    p = float(stats.ttest_ind(x, y, equal_var=False).pvalue) if deviation else float(difference == 0)
    return _Test(a, b, 0, difference, deviation, (len(x), len(y)), p, wins)


def _p(difference: float, error: float, degrees: int) -> float:
    if error == 0:
        return float(difference == 0)
    return float(2 * stdtr(degrees, -difference / error))  # a hundred times as fast as stats.t, for the same


def _pair(test: _Test, p: float, family: int) -> Pair:
    effect = test.difference / test.deviation if test.deviation else math.nan if test.difference == 0 else math.inf
    return Pair(test.better, test.worse, test.n, test.difference, p, effect, test.wins, _more(test, p, family))


def _more(test: _Test, p: float, family: int) -> int | None:
    """Seeds until the difference is decided, with the strictest correction that Holm's can come to."""
    if p < LEVEL:
        return 0
    if math.isnan(test.deviation) or test.difference == 0:
        return None
    have, groups = min(test.sizes), 1 if test.n else 2

    def decided(n: int) -> bool:
        error = test.deviation * math.sqrt(groups / n)
        return family * _p(test.difference, error, groups * (n - 1)) < LEVEL

    tried = range(max(2, have), MOST + 1)
    first = bisect_left(tried, True, key=decided)
    return max(1, tried[first] - have) if first < len(tried) else None
