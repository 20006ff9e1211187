"""One colour and one symbol for each cell, in every figure; to be told apart with any kind of sight.

The colours are those of Okabe & Ito (2008), without their yellow, which is too pale for a line on white.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import NamedTuple


class Style(NamedTuple):
    """How a cell is drawn."""

    colour: str
    symbol: str


OF_CELL = {
    "vanilla": Style("#D55E00", "circle"),
    "rnn": Style("#E69F00", "square"),
    "irnn": Style("#CC79A7", "diamond"),
    "gru": Style("#56B4E9", "triangle-up"),
    "lstm": Style("#0072B2", "triangle-down"),
    "lstm_1997": Style("#009E73", "cross"),
    "attention": Style("#000000", "star"),
    "hmm": Style("#999999", "x"),
}
"""By the name of the cell."""


def styles(cells: Mapping[str, str]) -> dict[str, Style]:
    """A style for each of some groups of runs, by their labels.

    The group of a cell with the shortest label has the cell's own style. Others, and those of cells that are not ours,
    have the styles of cells that are not there; where these do not suffice, they begin again.

    Args:
        cells: of each group its cell, by its label.
    """
    free = [style for cell, style in OF_CELL.items() if cell not in cells.values()] or list(OF_CELL.values())
    others = cycle(free)
    own = {cell: label for label, cell in sorted(cells.items(), key=lambda item: -len(item[0])) if cell in OF_CELL}
    return {label: OF_CELL[cell] if own.get(cell) == label else next(others) for label, cell in cells.items()}
