"""Learning curves: means over seeds with their intervals, and each seed on demand, against what a reader chooses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqlab.figures.axes import choices, references, short, value_axis
from seqlab.figures.palette import Look, looks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT, POINTS = 460, 150
"""Pixels; and how many points of a curve are drawn at most."""

Axis = Mapping[str, Sequence[float]]
"""Of each thing that a curve may be drawn against, where its points are."""


@dataclass(frozen=True)
class Line:
    """A curve: its values, and where they are."""

    values: Sequence[float]
    at: Axis

    @property
    def thinned(self) -> Line:
        """As many points of it as are drawn, its first and its last among them."""
        n = len(self.values)
        if n <= POINTS:
            return self
        kept = sorted({round(i * (n - 1) / (POINTS - 1)) for i in range(POINTS)})
        return Line([self.values[i] for i in kept], {axis: [at[i] for i in kept] for axis, at in self.at.items()})


@dataclass(frozen=True)
class Curves:
    """What is known of one experiment.

    Attributes:
        label: what it is called.
        cell: its cell, which has a colour.
        seeds: a curve for each.
        mean: over them, at the points that all have.
        low: the lower ends of its intervals; NaN for one seed.
        high: the upper ends.
    """

    label: str
    cell: str
    seeds: Sequence[Line]
    mean: Line
    low: Sequence[float]
    high: Sequence[float]


def draw(groups: Sequence[Curves], measure: str, known: Mapping[str, float]) -> Figure:
    """All experiments in one panel.

    Args:
        groups: one for each experiment.
        measure: what is drawn, as the axis says it.
        known: the references, by name.
    """
    from plotly.graph_objects import Figure

    figure, look = Figure(), looks({group.label: group.cell for group in groups})
    seen = [value for group in groups for seed in group.seeds for value in seed.values]
    lowest = min((value for value in seen if value > 0), default=0.0)
    axes: list[Axis] = []
    for group in groups:
        if group.seeds:
            axes.append(_add_seeds(figure, group, look[group.label]))
        if len(group.seeds) > 1 and group.mean.values:
            axes.append(_add_band(figure, group, look[group.label], lowest))
        axes.append(_add_mean(figure, group, look[group.label]))
    value_axis(figure, "y", [*seen, *known.values()], measure)
    references(figure, "y", known)
    choices(figure, axes)
    return figure.update_layout(height=HEIGHT, legend={"orientation": "h", "y": -0.2, "x": 0})


def _add_seeds(figure: Figure, group: Curves, look: Look) -> Axis:
    """All of them as one trace with gaps, since a page with a trace for each run of hundreds is slow."""
    seeds = [seed.thinned for seed in group.seeds]
    line = {"color": look.colour, "width": 1, "dash": look.dash}
    figure.add_scatter(
        y=short(_apart([seed.values for seed in seeds]), 4), mode="lines",
        line=line, opacity=0.6, visible=False, meta="seed",
        name=group.label, legendgroup=group.label, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    told = [axis for axis in seeds[0].at if all(axis in seed.at for seed in seeds)]
    return {axis: _apart([seed.at[axis] for seed in seeds]) for axis in told}


def _add_band(figure: Figure, group: Curves, look: Look, lowest: float) -> Axis:
    low = Line([max(value, lowest / 10) for value in group.low] if lowest else group.low, group.mean.at).thinned
    high = Line(group.high, group.mean.at).thinned
    figure.add_scatter(
        y=short([*low.values, *reversed(high.values)], 4), fill="toself", fillcolor=look.faint, mode="none",
        name=group.label, legendgroup=group.label, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    return {axis: [*at, *reversed(at)] for axis, at in low.at.items()}


def _add_mean(figure: Figure, group: Curves, look: Look) -> Axis:
    mean = group.mean.thinned
    marker = {"symbol": look.symbol, "size": 8, "color": look.colour, "maxdisplayed": 8}
    figure.add_scatter(
        y=short(mean.values, 4), mode="lines+markers", line={"color": look.colour, "dash": look.dash, "width": 2.5},
        marker=marker, name=group.label, legendgroup=group.label,
    )  # fmt: skip
    return mean.at


def _apart(parts: Sequence[Sequence[float]]) -> list[float]:
    """One after the other, with a gap between each two."""
    return [value for part in parts for value in (*part, math.nan)][:-1]
