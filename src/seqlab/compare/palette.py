"""How the experiments of a figure are told apart: by colours that the colour-blind see, by lines, and by marks."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe & Ito (2008), without yellow, which is too faint on white."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")


@dataclass(frozen=True)
class Look:
    """How one experiment is drawn.

    Attributes:
        colour: of lines and marks.
        faint: of areas.
        dash: of lines.
        symbol: of marks.
    """

    colour: str
    faint: str
    dash: str
    symbol: str


def look(i: int) -> Look:
    """The look of the i-th experiment of a figure."""
    colour = COLOURS[i % len(COLOURS)]
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return Look(
        colour, f"rgba({red},{green},{blue},0.1)", DASHES[i // len(COLOURS) % len(DASHES)], SYMBOLS[i % len(SYMBOLS)]
    )
