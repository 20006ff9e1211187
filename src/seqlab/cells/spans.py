"""Steps that are taken together, so that what is needed on the way is never there for all steps at once."""

from __future__ import annotations

ROOM = 1 << 18
"""How many numbers such steps may make."""
LOOK = 128
"""How many steps there may be where it is looked for the end of a gradient that vanishes."""


def spans(T: int, numbers: int, vanishes: bool = False) -> list[tuple[int, int]]:
    """The first and the end of steps that are taken together; the first span is the longest.

    Args:
        T: how many steps there are.
        numbers: how many numbers a step makes, of all sequences.
        vanishes: whether it is looked after each span if there is something left to do.
    """
    length = max(1, min(T, ROOM // numbers, LOOK if vanishes else T))
    return [(first, min(first + length, T)) for first in range(0, T, length)]
