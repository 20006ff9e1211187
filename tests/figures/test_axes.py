"""What figures have in common: axes of a measure, references, and axes to choose."""

from __future__ import annotations

import math

import pytest
from plotly.graph_objects import Figure

from seqlab.figures.axes import WIDE, choices, references, value_axis


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, 1.01 * WIDE], "log"),
        ([0.0, 1.0, 1.01 * WIDE], "log"),
        ([1.0, 0.99 * WIDE], None),
        ([-1.0, 1.0, 2.0 * WIDE], None),
        ([0.0, 0.0], None),
        ([math.nan, 1.0, math.inf], None),
    ],
)
def test_positive_values_that_reach_far_are_on_a_logarithmic_axis(values: list[float], kind: str | None) -> None:
    """Others are not, nor those of which some are below zero."""
    figure = Figure()
    value_axis(figure, "y", values, "mse")
    assert figure.layout.yaxis.type == kind
    assert figure.layout.yaxis.title.text == "mse"


def test_the_range_holds_all_values_with_a_margin() -> None:
    """Of the numbers among them; where all are equal, too; and without any it is left to Plotly."""
    figure = Figure()
    value_axis(figure, "x", [1.0, 2.0, math.nan], "")
    assert figure.layout.xaxis.range == pytest.approx((0.94, 2.06))
    value_axis(figure, "x", [3.0], "")
    assert figure.layout.xaxis.range == (0.0, 6.0)
    value_axis(figure, "x", [0.01, 1000.0, 0.0], "")
    assert figure.layout.xaxis.range == pytest.approx((-2.3, 3.3))
    figure = Figure()
    value_axis(figure, "x", [math.nan], "mse")
    assert (figure.layout.xaxis.range, figure.layout.xaxis.title.text) == (None, "mse")


def test_references_are_dotted_lines_with_names() -> None:
    """Across the figure on the axis of the measure."""
    figure = Figure()
    references(figure, "y", {"chance": 0.5, "zero_return": 0.0})
    assert [(line.y0, line.y1, line.line.dash) for line in figure.layout.shapes] == [
        (0.5, 0.5, "dot"),
        (0.0, 0.0, "dot"),
    ]
    assert [(note.text, note.y) for note in figure.layout.annotations] == [("chance", 0.5), ("zero return", 0.0)]
    figure = Figure()
    references(figure, "x", {"chance": 0.5})
    assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(0.5, 0.5)]
    assert [note.x for note in figure.layout.annotations] == [0.5]


def test_on_a_logarithmic_axis_a_name_stands_at_the_logarithm_and_zero_has_no_line() -> None:
    """Plotly takes lines as values, and notes as logarithms."""
    figure = Figure()
    value_axis(figure, "y", [0.001, 1.0], "mse")
    references(figure, "y", {"chance": 0.01, "best": 0.0})
    assert [line.y0 for line in figure.layout.shapes] == [0.01]
    assert [note.y for note in figure.layout.annotations] == [-2.0]


def test_a_reader_chooses_among_what_all_traces_tell() -> None:
    """The first is drawn; one alone is no choice; gaps stay gaps."""
    figure = Figure([{"y": [1, 2]}, {"y": [3, 4]}])
    choices(
        figure, [{"steps": [1, 2], "seconds": [0.1, math.nan]}, {"steps": [1, 3], "tokens": [5, 6], "seconds": [1, 2]}]
    )
    assert [trace.x for trace in figure.data] == [(1, 2), (1, 3)]
    assert figure.layout.meta == {"axes": {"steps": [[1, 2], [1, 3]], "seconds": [[0.1, None], [1, 2]]}}
    figure = Figure([{"y": [1]}])
    choices(figure, [{"steps": [1]}])
    assert (figure.data[0].x, figure.layout.meta, figure.layout.xaxis.title.text) == ((1,), None, "steps")
    figure = Figure([{"y": [1]}, {"y": [1]}])
    choices(figure, [{"steps": [1]}, {"tokens": [1]}])
    assert [trace.x for trace in figure.data] == [(), ()]
