"""Cells across tasks: scores between chance and the best possible, and intervals that draw seeds within tasks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import trim_mean

from seqlab.compare.across import improvement, interquartile_mean, normalised, profile


def test_chance_is_zero_and_the_best_is_one() -> None:
    """Whether less or more is better."""
    assert [normalised(x, chance=0.2, best=0.0) for x in (0.2, 0.1, 0.0, 0.3)] == pytest.approx([0, 0.5, 1, -0.5])
    assert [normalised(x, chance=0.5, best=1.0) for x in (0.5, 0.75, 1.0)] == pytest.approx([0, 0.5, 1])


def test_the_interquartile_mean_is_that_of_the_middle_half_of_all_runs() -> None:
    """Of eight runs the two lowest and the two highest are left out, whatever their task."""
    result = interquartile_mean([[0.0, 0.1, 0.2, 0.9], [0.3, 0.4, 0.8, 1.0]])
    assert result.value == pytest.approx((0.2 + 0.3 + 0.4 + 0.8) / 4)
    assert result.low < result.value < result.high


def test_seeds_are_drawn_within_their_task() -> None:
    """Two tasks that differ, with seeds that do not: nothing varies, so the interval has no width."""
    result = interquartile_mean([[0.1] * 5, [0.7] * 5])
    assert (result.low, result.high) == (result.value, result.value) == (pytest.approx(0.4), pytest.approx(0.4))


def test_the_interval_covers_what_it_should() -> None:
    """Six tasks of five seeds: nearly 95 %, as the stratified bootstrap does (0.93 in the trials of others)."""
    rng = np.random.default_rng(1)
    truth = trim_mean(rng.standard_normal((200_000, 6)).ravel() / 10 + np.tile(np.arange(6) / 6, 200_000), 0.25)
    inside = []
    for _ in range(60):
        result = interquartile_mean((np.arange(6)[:, None] / 6 + rng.standard_normal((6, 5)) / 10).tolist())
        inside.append(result.low <= truth <= result.high)
    assert np.mean(inside) > 0.8


def test_the_profile_falls_from_one_to_zero() -> None:
    """The share of runs above each threshold."""
    values = [interval.value for interval in profile([[0.1, 0.5], [0.5, 0.9]], [0.0, 0.1, 0.5, 0.95])]
    assert values == [1.0, 0.75, 0.25, 0.0]


def test_the_probability_of_improvement_is_a_mean_over_tasks() -> None:
    """On the first a always wins, on the second they tie."""
    assert improvement([[1.0, 0.9], [0.5, 0.5]], [[0.1, 0.2], [0.5, 0.5]]) == 0.75
    assert improvement([[1.0]], [[0.0, 0.5, 2.0]]) == pytest.approx(2 / 3)
