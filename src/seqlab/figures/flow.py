"""How far back errors flow, as a figure: the flow against the lag, and what lags beyond it add to the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import TYPE_CHECKING, Any

from seqlab.figures.palette import Look, looks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Line = Mapping[str, Any]
"""What was measured at one step of a run: a line of its ``gradients.jsonl``."""
Curve = Mapping[int, float]
"""A value at each of some lags."""

FLOW = "‖∂E<sub>T</sub>/∂h<sub>T−k</sub>‖ as a share of lag 0"
SHARE = "Share of ∂E<sub>T</sub>/∂U from beyond lag k"
LOWEST, SYMBOLS, HEIGHT = 1e-6, 8, 800
"""The least flow that is shown at first; how many symbols a curve bears; and pixels."""


@dataclass(frozen=True)
class Curves:
    """What was measured on one group of runs, which differ in their seeds alone.

    Attributes:
        label: what it is called.
        cell: its cell, which has a colour.
        start: the first line of each seed.
        now: the last line of each seed.
    """

    label: str
    cell: str
    start: Sequence[Line]
    now: Sequence[Line]


def draw(groups: Sequence[Curves]) -> Figure:
    """Two panels, one below the other: means over seeds, dashed at the start and solid now, with each seed thin behind.

    Where there are products of Jacobians, their norms now are open symbols.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(
        2, 1, row_heights=[0.62, 0.38], vertical_spacing=0.14, shared_xaxes="all", subplot_titles=[FLOW, SHARE]
    )
    look_of = looks({group.label: group.cell for group in groups})
    for group in groups:
        look = look_of[group.label]
        for lines, dash in ((group.start, "dash"), (group.now, "solid")):
            _add(figure, 1, [relative(line) for line in lines], geometric_mean, group.label, look, dash)
            _add(figure, 2, [_by_lag(line["beyond"]) for line in lines], fmean, group.label, look, dash)
        if products := [_by_lag(line["jacobian"]) for line in group.now if line["jacobian"]]:
            marker = {"symbol": f"{look.symbol}-open", "size": 9, "color": look.colour}
            norms = _over(products, geometric_mean)
            _trace(figure, 1, norms, group.label, name=group.label, mode="markers", marker=marker, showlegend=False)
    for name, dash in (("at the start", "dash"), ("now", "solid")):
        figure.add_scatter(x=[None], y=[None], name=name, mode="lines", line={"dash": dash, "color": "#666666"})
    return _laid_out(figure)


def relative(line: Line) -> Curve:
    """The flow at each lag, as a share of that at lag 0; nothing, where there is none at lag 0."""
    first = line["flow"][0]
    return {lag: value / first for lag, value in enumerate(line["flow"]) if value and first}


def _by_lag(values: Mapping[str, float]) -> Curve:
    return {int(lag): value for lag, value in values.items() if value}


def _over(curves: Sequence[Curve], mean: Callable[[list[float]], float]) -> Curve:
    """The mean over seeds, at the lags that all of them have."""
    lags = [lag for lag in curves[0] if all(lag in curve for curve in curves)]
    return {lag: mean([curve[lag] for curve in curves]) for lag in sorted(lags)}


def _add(
    figure: Figure,
    row: int,
    curves: Sequence[Curve],
    mean: Callable[[list[float]], float],
    label: str,
    look: Look,
    dash: str,
) -> None:
    line = {"color": look.colour, "dash": dash}
    for curve in curves if len(curves) > 1 else ():
        thin = {**line, "width": 1}
        _trace(figure, row, curve, label, mode="lines", line=thin, opacity=0.35, hoverinfo="skip", showlegend=False)
    told = row == 1 and dash == "solid"
    marker = {"symbol": look.symbol, "size": 8, "color": look.colour, "maxdisplayed": SYMBOLS}
    mode = "lines+markers" if dash == "solid" else "lines"
    thick = {**line, "width": 2.5 if dash == "solid" else 1.5}
    _trace(figure, row, _over(curves, mean), label, name=label, mode=mode, line=thick, marker=marker, showlegend=told)


def _trace(figure: Figure, row: int, curve: Curve, group: str, **drawn: Any) -> None:
    """One curve. Its values are plain lists, which any Plotly reads, that of a tracker's page too."""
    values = [float(f"{value:.4g}") for value in curve.values()]
    figure.add_scatter(x=list(curve), y=values, legendgroup=group, row=row, col=1, **drawn)


def _laid_out(figure: Figure) -> Figure:
    """To be read on a telephone as well as on a desk."""
    top = max((y for trace in figure.data for y in trace.y if y), default=1)
    figure.add_hline(0.01, line={"width": 1, "dash": "dot", "color": "#666666"}, row=1, col=1)
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    reach = [math.log10(LOWEST), math.log10(max(1, top)) + 0.2]
    figure.update_yaxes(type="log", range=reach, exponentformat="power", dtick=1, row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title_text="lag k, steps", title_standoff=4, showticklabels=True)
    return figure.update_layout(
        template="plotly_white",
        height=HEIGHT,
        margin={"l": 48, "r": 12, "t": 36, "b": 24},
        legend={"orientation": "h", "yanchor": "top", "y": -0.1, "x": 0, "tracegroupgap": 0},
    )
