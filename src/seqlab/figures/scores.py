"""The scores of all seeds, as dots beside their mean and its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqlab.figures.axes import choices, references, value_axis
from seqlab.figures.palette import looks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROW, ROOM = 38, 110
"""Pixels: the height of a row, and what is above and below them."""


@dataclass(frozen=True)
class Scores:
    """What one experiment came to.

    Attributes:
        label: what it is called.
        cell: its cell, which has a colour.
        seeds: the score of each run, by what the run is called.
        mean: over them.
        half_width: of its interval; NaN for one.
        costs: what it took, on average, by name.
    """

    label: str
    cell: str
    seeds: Mapping[str, float]
    mean: float
    half_width: float
    costs: Mapping[str, float]


def draw(groups: Sequence[Scores], measure: str, known: Mapping[str, float]) -> Figure:
    """A row for each experiment, the first at the top."""
    from plotly.graph_objects import Figure

    figure, look = Figure(), looks({group.label: group.cell for group in groups})
    for group in groups:
        colour, symbol = look[group.label].colour, look[group.label].symbol
        figure.add_scatter(
            x=list(group.seeds.values()), y=[group.label] * len(group.seeds), text=list(group.seeds), mode="markers",
            marker={"color": colour, "symbol": f"{symbol}-open", "size": 9},
            hovertemplate="%{text}: %{x:.4g}<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=[group.mean], y=[group.label], mode="markers", error_x=_bar(group, colour),
            marker={"color": colour, "symbol": "line-ns-open", "size": 18, "line": {"width": 3}},
            hovertemplate=f"mean of {len(group.seeds)}: %{{x:.4g}}<extra></extra>",
        )  # fmt: skip
    value_axis(figure, "x", [score for group in groups for score in group.seeds.values()] + [*known.values()], measure)
    references(figure, "x", known)
    figure.update_yaxes(autorange="reversed", type="category", automargin=True)
    return figure.update_layout(height=ROOM + ROW * len(groups), showlegend=False)


def against_cost(groups: Sequence[Scores], measure: str, known: Mapping[str, float]) -> Figure:
    """A mark for each experiment: what it came to, against what it took."""
    from plotly.graph_objects import Figure

    figure, look = Figure(), looks({group.label: group.cell for group in groups})
    for group in groups:
        colour, symbol = look[group.label].colour, look[group.label].symbol
        figure.add_scatter(
            y=[group.mean], error_y=_bar(group, colour), mode="markers", name=group.label,
            marker={"color": colour, "symbol": symbol, "size": 13},
        )  # fmt: skip
    value_axis(figure, "y", [score for group in groups for score in group.seeds.values()] + [*known.values()], measure)
    references(figure, "y", known)
    choices(figure, [{name: [cost] for name, cost in group.costs.items()} for group in groups])
    return figure.update_layout(height=420, legend={"orientation": "h", "y": -0.2, "x": 0})


def _bar(group: Scores, colour: str) -> dict[str, object] | None:
    if not math.isfinite(group.half_width):
        return None
    return {"type": "data", "array": [group.half_width], "color": colour, "thickness": 2, "width": 6}
