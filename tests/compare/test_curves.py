"""Curves of validation as runs learned, and when they first reached a threshold."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from folders import answers, put, validated
from seqlab.compare.curves import Curve, Reach, curve, reach
from seqlab.compare.read import read

FALLING = {100: 0.5, 200: 0.2, 300: 0.3, 400: 0.1}


def line(*values: float, ended: bool = True) -> Curve:
    """Validated after 100, 200, … steps."""
    return Curve(ended, values, {"steps": [100.0 * (i + 1) for i in range(len(values))]})


def test_a_curve_is_what_validation_said(tmp_path: Path) -> None:
    """Not what training said on the same lines; after how many steps, tokens and seconds."""
    validated(put(tmp_path, "lstm", 1, 0.1), FALLING)
    (record,) = read([tmp_path])
    found = curve(record, "mse")
    assert found.values == [0.5, 0.2, 0.3, 0.1]
    assert found.at == {
        "steps": [100, 200, 300, 400],
        "tokens": [1000, 2000, 3000, 4000],
        "seconds": [50, 100, 150, 200],
    }


def test_an_axis_that_a_run_does_not_tell_is_not_there(tmp_path: Path) -> None:
    """As in runs from before it was told; and there is no curve of another measure, or where there are no metrics."""
    validated(put(tmp_path, "lstm", 1, 0.1), FALLING, costs=False)
    put(tmp_path, "lstm", 2, 0.1)
    first, second = read([tmp_path])
    assert list(curve(first, "mse").at) == ["steps"]
    assert curve(first, "accuracy").values == []
    assert (curve(second, "mse").values, curve(second, "mse").at) == ([], {})


def test_a_run_that_has_not_ended_has_a_curve_but_is_not_timed(tmp_path: Path) -> None:
    """It may reach the threshold yet, and it did not end where it is."""
    validated(put(tmp_path, "lstm", 1, 0.1), FALLING)
    validated(put(tmp_path, "lstm", 2, None, "failed"), FALLING)
    ((row,),) = [each.rows for each in answers(tmp_path)]
    assert len(row.curves) == 2
    assert row.reach(0.2, 1, "steps").n == 1


@pytest.mark.parametrize(
    ("threshold", "sign", "at"),
    [(0.2, 1, 200), (0.25, 1, 200), (0.1, 1, 400), (0.09, 1, None), (0.5, -1, 100), (0.6, -1, None)],
)
def test_the_first_validation_at_the_threshold_counts(threshold: float, sign: int, at: int | None) -> None:
    """At it or better, whatever came after; better is less or more."""
    assert line(0.5, 0.2, 0.3, 0.1).reached(threshold, sign, "steps") == at
    assert line(0.2, 0.4, 0.3).reached(0.35, -1, "steps") == 200


def test_what_is_no_number_reaches_nothing() -> None:
    """A loss that was NaN, and the run that went on."""
    assert line(math.nan, 0.1).reached(0.2, 1, "steps") == 200


def test_those_that_never_reached_it_are_held_to_where_they_ended() -> None:
    """And those that do not tell the axis are left out."""
    found = reach([line(0.5, 0.1), line(0.5, 0.4, 0.3), Curve(True, [0.1], {})], 0.2, 1, "steps")
    assert (found.reached, found.ended, found.n) == ([200], [300], 2)
    assert reach([line(0.5, 0.1)], 0.2, 1, "tokens").n == 0


def kaplan_meier(reached: list[float], ended: list[float]) -> float:
    """The median by the product-limit, in plain arithmetic: at ties, those that ended were still there."""
    left = 1.0
    for at in sorted(set(reached)):
        there = sum(x >= at for x in [*reached, *ended])
        left *= 1 - reached.count(at) / there
        if left <= 0.5:
            return at
    return math.inf


def test_the_median_is_kaplan_and_meiers() -> None:
    """By hand, of five runs of which one ended before it had reached it.

    At 1 there are 5, and 4/5 are left; at 3 there are 3, and 4/5 · 2/3 are more than half; at 4 there are 2, and 4/15 are
    left. Without the run that ended, half of four would have reached it at 3.
    """
    assert Reach([1.0, 3.0, 4.0, 9.0], [2.0]).median == 4.0
    assert Reach([1.0, 2.0, 3.0], []).median == 2.0
    assert Reach([1.0, 2.0], []).median == 1.0


def test_the_median_agrees_with_the_product_limit_in_plain_arithmetic() -> None:
    """Whatever the runs, ties among them."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        at = rng.integers(1, 9, size=8).astype(float)
        there = rng.random(8) < 0.7
        reached, ended = at[there].tolist(), at[~there].tolist()
        assert Reach(reached, ended).median == kaplan_meier(reached, ended)


@pytest.mark.parametrize(
    ("reached", "ended", "words"),
    [
        ([1250.0], [], "1,250"),
        ([1000.0, 1250.0, 1300.0, 1400.0], [9000.0], "1,300 (4/5)"),
        ([100.0], [3000.0, 3000.0, 2000.0, 3000.0], "> 3,000 (1/5)"),
        ([], [3000.0, 500.0], "> 3,000 (0/2)"),
        ([], [], "-"),
    ],
)
def test_words_tell_how_many_ever_reached_it(reached: list[float], ended: list[float], words: str) -> None:
    """And where fewer than half did, that the median is beyond all that was tried."""
    assert str(Reach(reached, ended)) == words
