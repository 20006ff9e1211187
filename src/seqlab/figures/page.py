"""Figures as one HTML file, which needs no network: plotly is in it (5 MB)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab import durable
from seqlab.errors import OutputError

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
html {{ overflow-y: scroll }}  /* there from the beginning, or the figures above it would be drawn too wide */
body {{ max-width: 1100px; margin: 0 auto; padding: 8px; color: #2a3f5f }}
body {{ font: 16px/1.45 "Open Sans", verdana, arial, sans-serif }}
h1 {{ font-size: 1.4em }} h2 {{ font-size: 1.15em; margin: 1.5em 0 0.3em }} p {{ max-width: 46em }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{about}</p>
"""


CONFIG = {"responsive": True, "displaylogo": False, "modeBarButtons": [["toImage", "resetScale2d"]]}
"""What a person may do with a figure: zoom, go back, and save it."""


def page(title: str, about: str, figures: Mapping[str, Figure]) -> str:
    """A page of figures under their names, each as wide as the window allows.

    Args:
        title: what it shows.
        about: how it is to be read, as HTML.
        figures: by what stands above each.
    """
    parts = [HEAD.format(title=html.escape(title), about=about)]
    for i, (name, figure) in enumerate(figures.items()):
        drawn = figure.to_html(full_html=False, include_plotlyjs=i == 0, config=CONFIG)
        parts.append(f"<h2>{html.escape(name)}</h2>\n{drawn}\n")
    return "".join([*parts, "</body>\n</html>\n"])


def write(path: Path, text: str) -> None:
    """Write a page, and say where it is.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        durable.write(path, text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}). Choose another place.") from None
    print(f"\nDrawn: {path}")
