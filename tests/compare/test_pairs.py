"""Which of two experiments is better: tests, corrections, effects, and when nobody can say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from seqlab.compare.pairs import Pair, holm, pairs, ranks

A = {1: 0.10, 2: 0.12, 3: 0.09, 4: 0.11, 5: 0.10}
B = {1: 0.14, 2: 0.15, 3: 0.14, 4: 0.16, 5: 0.13}


def test_equal_seeds_are_paired() -> None:
    """Student's paired test on their differences, and Cohen's d of these."""
    (pair,) = pairs({"b": B, "a": A}, sign=1)
    differences = np.array(list(B.values())) - np.array(list(A.values()))
    assert (pair.better, pair.worse, pair.n) == ("a", "b", 5)
    assert pair.difference == pytest.approx(differences.mean())
    assert pair.p == pytest.approx(stats.ttest_rel(list(A.values()), list(B.values())).pvalue)
    assert pair.effect == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert pair.decided
    assert pair.more == 0


def test_only_the_seeds_of_both_are_paired() -> None:
    """A seed that one of them lacks says nothing of the difference."""
    (pair,) = pairs({"a": A, "b": {**B, 9: 5.0}}, sign=1)
    assert pair.n == 5
    assert pair.difference == pytest.approx(0.04)


def test_other_seeds_are_compared_by_welch() -> None:
    """As independent samples of unequal variance."""
    (pair,) = pairs({"a": A, "b": {seed + 10: score for seed, score in B.items()}}, sign=1)
    assert pair.n == 0
    assert pair.p == pytest.approx(stats.ttest_ind(list(A.values()), list(B.values()), equal_var=False).pvalue)


def test_more_may_be_better() -> None:
    """Then the larger mean wins."""
    (pair,) = pairs({"a": A, "b": B}, sign=-1)
    assert (pair.better, pair.difference) == ("b", pytest.approx(0.04))


def test_the_probability_of_a_win_is_mann_whitneys() -> None:
    """Over all pairs of runs, ties half: here 3 of 4, and one half for equal scores."""
    (pair,) = pairs({"a": {1: 1.0, 2: 3.0}, "b": {1: 2.0, 2: 4.0}}, sign=1)
    assert pair.wins == 0.75
    (pair,) = pairs({"a": {1: 1.0, 2: 1.0}, "b": {1: 1.0, 2: 1.0}}, sign=1)
    assert (pair.wins, pair.p, pair.more) == (0.5, 1.0, None)


def test_one_seed_decides_nothing() -> None:
    """However far apart the two are."""
    (pair,) = pairs({"a": {1: 0.1}, "b": {1: 100.0}}, sign=1)
    assert not pair.decided
    assert pair.more is None


def test_holms_correction() -> None:
    """The least p-value times their number, the next times one less, never falling, at most 1; by hand."""
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert math.isnan(holm([math.nan, 0.01])[0])
    assert holm([math.nan, 0.01])[1] == 0.01


def test_equal_experiments_are_told_apart_in_one_of_twenty_tables() -> None:
    """At five seeds and four cells, any of the six pairs wrongly decided: 5 % of the tables at most."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        scores = {name: dict(enumerate(rng.standard_normal(5).tolist())) for name in "abcd"}
        wrong += any(pair.decided for pair in pairs(scores, 1))
    assert wrong / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_it_is_told_how_many_more_seeds_would_decide() -> None:
    """So many that the same mean and spread are significant, and one fewer that they are not."""
    x = np.array([0.0, 1.0, -1.0, 0.5])
    (pair,) = pairs({"a": dict.fromkeys(range(4), 0.0), "b": dict(enumerate((x + 0.5).tolist()))}, sign=1)
    assert not pair.decided
    assert pair.more
    d, s = (x + 0.5).mean(), (x + 0.5).std(ddof=1)
    n = 4 + pair.more
    t = d / (s / math.sqrt(n))
    assert 2 * stats.t.sf(t, n - 1) < 0.05
    assert 2 * stats.t.sf(d / (s / math.sqrt(n - 1)), n - 2) >= 0.05


def test_places_are_ranges_where_nothing_is_decided() -> None:
    """A beats c, and b is undecided against both: a is first or second, b anything, c second or third."""
    decided = Pair("a", "c", 5, 1.0, 0.01, 2.0, 1.0, 0)
    open_ = [Pair("a", "b", 5, 0.5, 0.3, 0.5, 0.6, 9), Pair("b", "c", 5, 0.5, 0.3, 0.5, 0.6, 9)]
    assert ranks(["a", "b", "c"], [decided, *open_]) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
