"""What share of all runs scores above each threshold, over several tasks (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqlab.figures.palette import looks

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Profile:
    """The profile of one experiment: at each threshold the share of its runs, and the ends of its interval."""

    label: str
    cell: str
    thresholds: Sequence[float]
    shares: Sequence[tuple[float, float, float]]


def draw(profiles: Sequence[Profile]) -> Figure:
    """All profiles in one panel; the further to the right a curve falls, the better."""
    from plotly.graph_objects import Figure

    figure, look = Figure(), looks({profile.label: profile.cell for profile in profiles})
    for profile in profiles:
        shares, lows, highs = (list(part) for part in zip(*profile.shares, strict=True))
        at, style = list(profile.thresholds), look[profile.label]
        shared = {"name": profile.label, "legendgroup": profile.label}
        area = {"x": at + at[::-1], "y": highs + lows[::-1], "fill": "toself", "fillcolor": style.faint, "mode": "none"}
        figure.add_scatter(**area, **shared, showlegend=False, hoverinfo="skip")
        line, marker = (
            {"color": style.colour, "dash": style.dash},
            {"symbol": style.symbol, "size": 8, "maxdisplayed": 8},
        )
        figure.add_scatter(x=at, y=shares, mode="lines+markers", line=line, marker=marker, **shared)
    figure.update_xaxes(title_text="normalised score: 0 at chance, 1 at the best possible", title_standoff=4)
    figure.update_yaxes(title_text="share of runs above", tickformat=".0%", range=[-0.03, 1.03])
    return figure.update_layout(height=420, legend={"orientation": "h", "y": -0.2, "x": 0})
