"""Figures and words as one HTML file, which needs no network: plotly is in it (5 MB)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Drawn:
    """A figure as a page shows it.

    Args:
        figure: what is drawn.
        about: what it shows, for whoever cannot see it.
    """

    def __init__(self, figure: Figure, about: str):
        nothing = "rgba(0,0,0,0)"
        figure.update_layout(template="plotly_white", paper_bgcolor=nothing, plot_bgcolor=nothing)
        figure.update_layout(modebar={"bgcolor": nothing, "color": "#808080", "activecolor": "#0072b2"})
        figure.update_layout(margin={"l": 48, "r": 12, "t": 36, "b": 24})
        self.about = about
        self.height: int = figure.layout.height or 450
        self.axes: list[str] = list((figure.layout.meta or {}).get("axes", ()))
        self.seeds = any(trace.meta == "seed" for trace in figure.data)
        self.json = Markup(figure.to_json().replace("</", "<\\/"))


def page(title: str, about: str, figures: Mapping[str, Figure]) -> str:
    """A page of figures under their names, each as wide as the window allows.

    Args:
        title: what it shows.
        about: how it is to be read, as HTML.
        figures: by what stands above each.
    """
    drawn = {name: Drawn(figure, f"{title}: {name}") for name, figure in figures.items()}
    return rendered("page.html", title=title, about=Markup(about), figures=drawn)


def rendered(template: str, **told: Any) -> str:
    """A page from one of the templates beside this file."""
    from plotly.offline import get_plotlyjs

    parts = {name: Markup(_templates().get_template(f"page.{name}").render()) for name in ("css", "js")}
    return _templates().get_template(template).render(plotly=Markup(get_plotlyjs()), **parts, **told)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("seqlab.figures", "pages"),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
