"""The horizons as a page: how many seeds succeed at each lag, and what each trial came to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab import durable
from seqlab.compare.horizon import Horizon, lag_of
from seqlab.compare.read import Record
from seqlab.figures.palette import Look, looks
from seqlab.spec import LEFT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT = 760
"""Pixels of one data set."""
TICKS = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
"""Lags that are written on the axis."""
CONFIG = {"responsive": True, "displaylogo": False}
LEAST = 1e-6
"""The least that is drawn of what is left on a logarithmic scale."""


def write(horizons: Sequence[Horizon], path: Path) -> Path:
    """Write one page that needs no network, with a figure for each data set."""
    figures = [draw(data, list(group)) for data, group in groupby(horizons, key=lambda horizon: horizon.data)]
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=i == 0, config=CONFIG) for i, figure in enumerate(figures)
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    title = "<title>seqlab: horizons</title>"
    durable.write(
        path, f"<!doctype html>\n<html lang=en><head>{head}{title}</head><body>{''.join(parts)}</body></html>\n"
    )
    return path


def draw(data: str, horizons: Sequence[Horizon]) -> Figure:
    """The success rate against the lag, with Wilson intervals; below it what each trial left of the way from chance."""
    from plotly.subplots import make_subplots

    titles = ("Share of seeds that solve the lag", "What is left of the way from chance to the best possible")
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=titles)
    look = looks({horizon.label: horizon.cell for horizon in horizons})
    for horizon in (horizon for horizon in horizons if horizon.trials):
        _add_rate(figure, horizon, look[horizon.label])
        _add_trials(figure, horizon, look[horizon.label])
    for row, level, words in ((1, 0.0, "chance"), (1, 0.5, "half"), (2, 1.0, "chance"), (2, LEFT, "solved")):
        figure.add_hline(level, row=row, col=1, line={"color": "grey", "dash": "dot", "width": 1})
        figure.add_annotation(
            x=1, xref="paper", xanchor="right", y=level if row == 1 else math.log10(level), yref=f"y{row}",
            yanchor="bottom", text=words, showarrow=False, font={"color": "grey", "size": 11},
        )  # fmt: skip
    figure.update_xaxes(type="log", tickvals=TICKS, ticktext=[f"{tick:,}" for tick in TICKS], showticklabels=True)
    figure.update_xaxes(title="lag, steps", row=2, col=1)
    figure.update_yaxes(range=[-0.05, 1.05], tickformat=".0%", row=1, col=1)
    figure.update_yaxes(type="log", dtick=1, exponentformat="power", row=2, col=1)
    figure.update_layout(
        title={"text": f"{data}: how far back", "y": 0.98},
        height=HEIGHT,
        template="plotly_white",
        legend={"orientation": "h", "y": 1.05, "yanchor": "bottom"},
        margin={"l": 60, "r": 20, "t": 120, "b": 60},
    )
    return figure


def _add_rate(figure: Figure, horizon: Horizon, look: Look) -> None:
    lags = horizon.lags
    rates, lows, highs = zip(*map(horizon.rate, lags), strict=True)
    shared = {"legendgroup": horizon.label, "name": horizon.label}
    figure.add_scatter(
        x=[*lags, *reversed(lags)], y=[*highs, *reversed(lows)], fill="toself", fillcolor=look.faint, mode="none",
        hoverinfo="skip", showlegend=False, row=1, col=1, **shared,
    )  # fmt: skip
    figure.add_scatter(
        x=lags, y=rates, mode="lines+markers", line={"color": look.colour, "dash": look.dash},
        marker={"symbol": look.symbol, "size": 8}, row=1, col=1, **shared,
    )  # fmt: skip


def _add_trials(figure: Figure, horizon: Horizon, look: Look) -> None:
    ended = [trial for trial in horizon.trials if trial.finished]
    figure.add_scatter(
        x=[lag_of(trial) for trial in ended], y=[left(trial) for trial in ended], mode="markers",
        marker={"color": look.colour, "symbol": look.symbol, "size": 7, "opacity": 0.6},
        text=[f"seed {trial.seed}" for trial in ended], legendgroup=horizon.label, name=horizon.label,
        showlegend=False, row=2, col=1,
    )  # fmt: skip


def left(trial: Record) -> float:
    """How much of the way from chance (1) to the best possible (0) a trial left, on the test set."""
    references, score = trial.summary["references"], trial.score("test")
    assert score is not None
    chance, best = references["chance"], references["best"]
    return max(LEAST, (score - best) / (chance - best))
