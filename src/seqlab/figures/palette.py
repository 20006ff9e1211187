"""One colour and one mark for each cell, in every figure; to be told apart with any kind of sight.

The colours are those of Okabe & Ito (2008), with grey in place of their yellow, which is too faint on white.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

OF_CELL = {
    "vanilla": ("#D55E00", "circle"),
    "rnn": ("#E69F00", "square"),
    "irnn": ("#CC79A7", "diamond"),
    "gru": ("#56B4E9", "triangle-up"),
    "lstm": ("#0072B2", "triangle-down"),
    "lstm_1997": ("#009E73", "cross"),
    "attention": ("#000000", "star"),
    "hmm": ("#999999", "x"),
}
"""Colour and mark, by the name of the cell."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
"""Where there are more groups than colours."""


@dataclass(frozen=True)
class Look:
    """How a group of runs is drawn.

    Attributes:
        colour: of lines and marks.
        symbol: of marks.
        dash: of lines.
    """

    colour: str
    symbol: str
    dash: str = DASHES[0]

    @property
    def faint(self) -> str:
        """The colour of areas."""
        red, green, blue = (int(self.colour[k : k + 2], 16) for k in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.1)"


def looks(cells: Mapping[str, str]) -> dict[str, Look]:
    """A look for each group of runs, by its label, given its cell.

    The group of a cell with the shortest label has the cell's own look. Others, and those of cells that are not ours,
    have those of cells that are not there; where these do not suffice, colours begin again with other dashes.
    """
    shortest = sorted(cells, key=len, reverse=True)
    own = {cells[label]: label for label in shortest if cells[label] in OF_CELL}
    free = [Look(*mark) for cell, mark in OF_CELL.items() if cell not in own]
    others = chain(free, (Look(*mark, dash) for dash in DASHES[1:] for mark in OF_CELL.values()))
    taken = {label: next(others, Look("#000000", "circle")) for label in cells if own.get(cells[label]) != label}
    return {label: taken.get(label) or Look(*OF_CELL[cell]) for label, cell in cells.items()}
