"""What is drawn of runs as they learned."""

from __future__ import annotations

import math
from typing import Any

import pytest

from seqlab.figures.curves import POINTS, Curves, Line, draw
from seqlab.figures.page import Drawn
from seqlab.figures.palette import OF_CELL


def line(*values: float, **axes: list[float]) -> Line:
    return Line(values, {"steps": [float(i) for i in range(len(values))], **axes})


def curves(label: str = "gru", n: int = 2, **of: Any) -> Curves:
    told = {"mean": line(0.5, 0.2), "low": [0.4, 0.1], "high": [0.6, 0.3]}
    return Curves(label, "gru", **{"seeds": [line(0.5, 0.2) for _ in range(n)], **told, **of})


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    """No more points than can be seen, in order, none twice, and the same on every axis."""
    n = 1000
    long = Line(list(range(n)), {"steps": list(range(n)), "tokens": [10 * i for i in range(n)]})
    thin = long.thinned
    assert (len(thin.values), thin.values[0], thin.values[-1]) == (POINTS, 0, n - 1)
    assert list(thin.values) == sorted(set(thin.values))
    assert list(thin.at["steps"]) == list(thin.values)
    assert [value / 10 for value in thin.at["tokens"]] == list(thin.values)


@pytest.mark.parametrize("n", [0, 1, POINTS])
def test_a_short_curve_is_left_as_it_is(n: int) -> None:
    """Every point is drawn."""
    short = line(*range(n))
    assert short.thinned is short


def test_one_point_more_loses_one_within() -> None:
    """And not the last."""
    thin = line(*range(POINTS + 1)).thinned
    assert (len(thin.values), thin.values[-1]) == (POINTS, POINTS)


def test_seeds_are_hidden_until_they_are_asked_for() -> None:
    """As one trace with gaps, which the page finds by its meta; what the legend names is the mean."""
    figure = draw([curves(n=3)], "mse", {})
    (seeds,) = [trace for trace in figure.data if trace.meta == "seed"]
    assert seeds.visible is False
    assert seeds.y == (0.5, 0.2, None, 0.5, 0.2, None, 0.5, 0.2)
    assert seeds.x == (0, 1, None, 0, 1, None, 0, 1)
    assert not seeds.connectgaps
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["gru"]
    assert Drawn(figure, "").seeds


def test_the_band_goes_along_one_end_and_back_along_the_other() -> None:
    """In the cell's faint colour, below the mean in its own."""
    _, band, mean = draw([curves()], "mse", {}).data
    assert (band.x, band.y) == ((0, 1, 1, 0), (0.4, 0.1, 0.3, 0.6))
    assert (band.fill, band.mode) == ("toself", "none")
    assert (mean.x, mean.y, mean.line.color) == ((0, 1), (0.5, 0.2), OF_CELL["gru"][0])


def test_one_seed_has_no_band() -> None:
    """Since it has no interval."""
    assert [trace.fill for trace in draw([curves(n=1)], "mse", {}).data] == [None, None]


def test_a_band_stays_on_a_logarithmic_axis() -> None:
    """Where an interval goes below zero, it ends a decade below the least value."""
    values = {"mean": line(1.0, 0.01), "low": [0.5, -0.5], "high": [1.5, 0.52], "seeds": [line(1.0, 0.01)] * 2}
    figure = draw([curves(**values)], "mse", {})
    assert figure.layout.yaxis.type == "log"
    (band,) = [trace for trace in figure.data if trace.fill == "toself"]
    assert band.y == (0.5, 0.001, 0.52, 1.5)


def test_what_is_no_number_is_a_gap() -> None:
    """In curves, and in what the page reads."""
    broken = line(0.5, math.nan, math.inf, 0.2)
    figure = draw([curves(mean=broken, low=[0.1] * 4, high=[0.6] * 4)], "mse", {})
    assert figure.data[-1].y == (0.5, None, None, 0.2)
    assert "NaN" not in Drawn(figure, "").json


def test_only_what_all_curves_tell_can_be_chosen() -> None:
    """The first is drawn, and all are there for the page, a list for each trace."""
    both = {"seeds": [line(0.5, 0.2, tokens=[0, 10])] * 2, "mean": line(0.5, 0.2, tokens=[0, 10])}
    figure = draw([curves(**both)], "mse", {})
    assert figure.layout.meta["axes"]["tokens"] == [[0, 10, None, 0, 10], [0, 10, 10, 0], [0, 10]]
    assert figure.layout.xaxis.title.text == "steps"
    assert Drawn(figure, "").axes == ["steps", "tokens"]
    figure = draw([curves(**both), curves("rnn")], "mse", {})
    assert Drawn(figure, "").axes == []
