"""How far back, as a figure: the share of seeds that solve a lag, and below it what each trial came to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqlab.figures.palette import Look, looks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RATE = "Share of seeds that solve the lag"
LEFT = "Left of the way from chance to the best possible"
HEIGHT, LEAST = 760, 1e-6
"""Pixels; and the least that is drawn of what is left."""
TICKS = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
"""Lags that are written on the axis."""


@dataclass(frozen=True)
class Points:
    """What is known of one experiment.

    Attributes:
        label: what it is called.
        cell: its cell, which has a colour.
        rates: at each lag the share of seeds that solve it, with the ends of its interval.
        trials: of each its lag, its seed, and what it left of the way from chance (1) to the best possible (0).
    """

    label: str
    cell: str
    rates: Sequence[tuple[int, tuple[float, float, float]]]
    trials: Sequence[tuple[int, int, float]]


def draw(groups: Sequence[Points], solved: float) -> Figure:
    """Two panels, one below the other, with lines for chance and for success.

    Args:
        groups: one for each experiment.
        solved: what is left of the way where a task is solved.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.13, subplot_titles=[RATE, LEFT])
    figure.update_annotations(x=0, xanchor="left", font_size=14)
    look = looks({group.label: group.cell for group in groups})
    for group in groups:
        _add_rates(figure, group, look[group.label])
        _add_trials(figure, group, look[group.label])
    for row, level, words in ((1, 0.0, "chance"), (1, 0.5, "half"), (2, 1.0, "chance"), (2, solved, "solved")):
        figure.add_hline(level, row=row, col=1, line={"color": "#666666", "dash": "dot", "width": 1})
        figure.add_annotation(
            x=1, xref="paper", xanchor="right", y=level if row == 1 else math.log10(level), yref=f"y{row}",
            yanchor="bottom", text=words, showarrow=False, font={"color": "#666666", "size": 11},
        )  # fmt: skip
    figure.update_xaxes(type="log", tickvals=TICKS, ticktext=[f"{tick:,}" for tick in TICKS], showticklabels=True)
    figure.update_xaxes(title_text="lag, steps", title_standoff=4)
    figure.update_yaxes(range=[-0.05, 1.08], tickformat=".0%", row=1, col=1)
    figure.update_yaxes(type="log", dtick=1, exponentformat="power", row=2, col=1)
    return figure.update_layout(
        template="plotly_white",
        height=HEIGHT,
        margin={"l": 48, "r": 12, "t": 36, "b": 24},
        legend={"orientation": "h", "yanchor": "top", "y": -0.1, "x": 0},
    )


def _add_rates(figure: Figure, group: Points, look: Look) -> None:
    lags = [lag for lag, _ in group.rates]
    shares, lows, highs = (list(part) for part in zip(*(rate for _, rate in group.rates), strict=True))
    shared = {"legendgroup": group.label, "name": group.label, "row": 1, "col": 1}
    area = {"x": lags + lags[::-1], "y": highs + lows[::-1], "fill": "toself", "fillcolor": look.faint, "mode": "none"}
    figure.add_scatter(**area, hoverinfo="skip", showlegend=False, **shared)
    line, marker = {"color": look.colour, "dash": look.dash}, {"symbol": look.symbol, "size": 8}
    figure.add_scatter(x=lags, y=shares, mode="lines+markers", line=line, marker=marker, **shared)


def _add_trials(figure: Figure, group: Points, look: Look) -> None:
    lags, seeds, left = zip(*group.trials, strict=True) if group.trials else ((), (), ())
    marker = {"color": look.colour, "symbol": look.symbol, "size": 7, "opacity": 0.6}
    shared = {"legendgroup": group.label, "name": group.label, "showlegend": False, "row": 2, "col": 1}
    text, heights = [f"seed {seed}" for seed in seeds], [max(LEAST, each) for each in left]
    figure.add_scatter(x=list(lags), y=heights, mode="markers", marker=marker, text=text, **shared)
