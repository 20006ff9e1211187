"""How things are shown on a terminal, or in a file that a terminal's output goes to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 80
"""Columns where the output is not a terminal, so that a file reads as a terminal does."""
LABEL = 13
"""Columns that the name of an experiment has at least, where there is room."""


class Terminal(Console):
    """A console that leaves it to the command line what a closed pipe means."""

    def __init__(self) -> None:
        super().__init__(highlight=False)
        if not self.is_terminal:
            self.width = WIDTH

    def explain(self, text: str) -> None:
        """Say how what was shown is to be read, as wide as a page."""
        self.print(" ".join(text.split()), style="dim", width=min(self.width, WIDTH))

    def on_broken_pipe(self) -> None:
        """Nobody is reading any more."""
        raise BrokenPipeError


def table(title: str = "") -> Table:
    """An empty table in the house's form."""
    return Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        min_width=min(len(title), Terminal().width),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )


def numbers(title: str, columns: Iterable[str]) -> Table:
    """An empty table of numbers beside names; where there is little room, a number goes on in a second line."""
    narrow = Terminal().width < WIDTH
    shown = table(title)
    shown.add_column("cell", min_width=None if narrow else LABEL, overflow="fold")
    for name in columns:
        shown.add_column(name, justify="right", no_wrap=not narrow, overflow="fold")
    return shown


def count(number: int, noun: str) -> str:
    """``1 run``, ``1,200 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    whole = timedelta(seconds=seconds)
    hours, minutes = whole.seconds // 3600, whole.seconds % 3600 // 60
    if whole.days:
        return f"{whole.days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def size(octets: float) -> str:
    """``512 kB``, ``3.2 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.3g} {unit}"
        octets /= 1000
    return f"{octets:.3g} TB"
