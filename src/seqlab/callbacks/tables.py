"""What a model has learned, where that can be read: as numbers in a file, and drawn."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

from seqlab import durable

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

ROW, GAP = 18, 110
"""Pixels: the height of a row, and the room between two tables for their labels."""


class LearnedTables(pl.Callback):
    """Writes the tables of the model that was tested to ``tables.json`` and, as heat maps, to ``tables.html``.

    A model has tables if it has a method ``tables()`` that gives them by name, as data frames. The page needs no
    network, since plotly is in it (5 MB).

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Asks the model, whose weights are now those of the best checkpoint."""
        if not trainer.is_global_zero or not hasattr(pl_module.model, "tables"):
            return
        tables = pl_module.model.tables()
        numbers = {name: table.to_dict("split") for name, table in tables.items()}
        try:
            durable.write(self.folder / "tables.json", json.dumps(numbers, ensure_ascii=False) + "\n")
            durable.write(self.folder / "tables.html", draw(tables, title=self.folder.name))
        except OSError as error:
            log.warning("%s: its tables cannot be written (%s).", self.folder, error.strerror)


def draw(tables: Mapping[str, pd.DataFrame], title: str) -> str:
    """One page of heat maps, one below the other; the darker, the larger a number is among those of its own table."""
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    heights = [ROW * len(table) for table in tables.values()]
    height = sum(heights) + GAP * len(tables)
    names = list(tables)
    figure = make_subplots(len(tables), row_heights=heights, vertical_spacing=GAP / height, subplot_titles=names)
    for row, (name, table) in enumerate(tables.items(), 1):
        columns, index = ([_written(label) for label in labels] for labels in (table.columns, table.index))
        heat = go.Heatmap(z=table.to_numpy(), x=columns, y=index, name=name, colorscale="Blues", showscale=False)
        figure.add_trace(heat, row, 1)
    figure.update_xaxes(type="category", dtick=1, tickfont_size=9)
    figure.update_yaxes(type="category", dtick=1, tickfont_size=9, autorange="reversed")
    figure.update_layout(title=title, height=height + GAP)
    return figure.to_html(include_plotlyjs=True)


def _written(label: str) -> str:
    """A label as a page shows it: what is white space by its escape or name, and no markup."""
    names = {" ": "␣"}  # as wide as a letter, so that all stand upright
    return html.escape(names.get(label, repr(label)[1:-1]), quote=False)
