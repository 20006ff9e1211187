"""What figures have in common: axes of a measure, lines for its references, and axes that a reader may choose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WIDE = 30
"""Positive values are drawn on a logarithmic axis where the largest is more than this many times the least."""
GREY = "#808080"


def value_axis(figure: Figure, axis: str, values: Sequence[float], title: str) -> None:
    """Give the axis ``x`` or ``y`` the range of some values, and their measure as its title."""
    finite = [value for value in values if math.isfinite(value)]
    positive = [value for value in finite if value > 0]
    update = getattr(figure, f"update_{axis}axes")
    update(title_text=title, title_standoff=4, automargin=True)
    if not finite:
        return
    if positive and min(finite) >= 0 and max(positive) > WIDE * min(positive):
        low, high = math.log10(min(positive)), math.log10(max(positive))
        update(type="log", range=[low - 0.3, high + 0.3], exponentformat="power", dtick=1)
        return
    low, high = min(finite), max(finite)
    margin = 0.06 * (high - low) or abs(high) or 1.0
    update(range=[low - margin, high + margin])


def references(figure: Figure, axis: str, known: Mapping[str, float]) -> None:
    """A dotted line for each predictor that needs no training, with its name; on a logarithmic axis zero has none."""
    drawn = getattr(figure.layout, f"{axis}axis")
    logarithmic = drawn.type == "log"
    for name, value in known.items():
        if logarithmic and value <= 0:
            continue
        line = {"color": GREY, "dash": "dot", "width": 1}
        label: dict[str, object] = {"text": name.replace("_", " "), "font": {"color": GREY, "size": 11}}
        if axis == "y":
            figure.add_hline(value, line=line)
            label |= {"x": 1, "xref": "paper", "xanchor": "right", "yanchor": "bottom"}
        else:
            figure.add_vline(value, line=line)
            label |= {"y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": "center"}
        at = math.log10(value) if logarithmic else value
        figure.add_annotation({**label, axis: at, f"{axis}ref": axis, "showarrow": False})


def choices(figure: Figure, axes: Sequence[Mapping[str, Sequence[float]]]) -> None:
    """Let a reader choose what a figure is drawn against, among what all of its traces tell.

    Args:
        figure: with traces that have no x yet.
        axes: for each trace, where its points are, by the name of each axis. The first is drawn.
    """
    named = [name for name in (axes[0] if axes else ()) if all(name in axis for axis in axes)]
    for trace, axis in zip(figure.data, axes, strict=True):
        trace.x = short(axis[named[0]], 6) if named else []
    figure.update_xaxes(title_text=named[0] if named else "", title_standoff=4)
    if len(named) > 1:
        told = {name: [short(axis[name], 6) for axis in axes] for name in named}
        figure.update_layout(meta={"axes": told})


def short(values: Sequence[float], digits: int) -> list[float | None]:
    """As many digits of each as can be seen; nothing for what is no number."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]
