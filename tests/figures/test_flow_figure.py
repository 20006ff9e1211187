"""What is drawn of the flow of errors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from seqlab.figures.flow import Curves, draw
from seqlab.figures.page import page
from seqlab.figures.palette import OF_CELL


def line(*flow: float | None, jacobian: dict[str, float] | None = None) -> dict[str, Any]:
    return {"flow": list(flow), "beyond": {"0": 0.5, "1": 0.25}, "jacobian": jacobian or {}}


def curves(label: str = "gru", cell: str = "gru", **of: Any) -> Curves:
    start, now = [line(2.0, 1.0, 0.02), line(2.0, 0.25, 0.0)], [line(1.0, 1.0, 1.0), line(1.0, 4.0, 1.0)]
    return Curves(label, cell, **{"start": start, "now": now, **of})


def traces(figure: Any, dash: str, width: float) -> list[Any]:
    return [t for t in figure.data if t.line.dash == dash and t.line.width == width]


def test_means_are_geometric_over_seeds_and_relative_to_lag_0() -> None:
    """Dashed at the start, solid now, thin for each seed; a flow of nothing is on no logarithmic scale."""
    figure = draw([curves()])
    (start, share), (now, _) = traces(figure, "dash", 1.5), traces(figure, "solid", 2.5)
    assert (start.x, start.y) == ((0, 1), (1.0, 0.25))
    assert (now.x, now.y) == ((0, 1, 2), (1.0, 2.0, 1.0))
    assert (share.x, share.y) == ((0, 1), (0.5, 0.25))
    assert [t.y for t in traces(figure, "solid", 1)][:2] == [(1.0, 1.0, 1.0), (1.0, 4.0, 1.0)]
    assert {t.line.color for t in (start, now)} == {OF_CELL["gru"][0]}
    assert now.marker.symbol == OF_CELL["gru"][1]
    assert [t.name for t in figure.data if t.showlegend is not False] == ["gru", "at the start", "now"]


def test_a_single_seed_has_no_thin_lines_and_jacobians_are_open_symbols() -> None:
    """What is there twice is drawn once."""
    figure = draw([curves(now=[line(1.0, 0.5, jacobian={"0": 1.0, "1": 0.7})], start=[line(1.0, 0.5)])])
    assert not traces(figure, "solid", 1)
    (products,) = [t for t in figure.data if t.marker.symbol == "triangle-up-open"]
    assert (products.x, products.y) == ((0, 1), (1.0, 0.7))


@pytest.mark.parametrize("flow", [(0.0, 0.0), (None, None), (1.0, None, 0.5)])
def test_what_cannot_be_drawn_is_left_out(flow: tuple[float | None, ...]) -> None:
    """Nothing at lag 0, and what was no number."""
    figure = draw([curves(start=[line(*flow)], now=[line(*flow)])])
    assert all(y and y > 0 for t in figure.data for y in t.y or () if y is not None)


def test_a_page_is_whole_and_its_values_are_plain_numbers() -> None:
    """No script comes from elsewhere; a name is text; and any Plotly reads lists, but not each what numpy makes of them."""
    figure = draw([curves("<b>")])
    assert "bdata" not in json.dumps(figure.to_plotly_json())
    written = page("A & B", "about", {"one": figure, "<two>": figure})
    assert not re.search(r"<script[^>]*\ssrc=", written)
    assert written.count('<script type="application/json">') == 2
    assert "<title>A &amp; B</title>" in written
    assert "<h2>&lt;two&gt;</h2>" in written
    assert len(written) < 8e6
