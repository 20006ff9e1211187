"""The contract of an engine: it is given prepared run folders, and sees to it that each is made by somebody.

An engine starts ``seqlab resume FOLDER``, or ``seqlab.experiment.make`` in a process of its own, for each folder. It
decides nothing: whether a run is done, who holds it and what it came to is written in its folder. So every engine is
as good as any other, and a sweep may be begun by one and ended by another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seqlab.runs import Run

TICK = 60.0
"""Seconds after which an engine that has nothing to tell says so, with a ``None``."""


@dataclass(frozen=True)
class Ending:
    """One run whose making has ended, whatever came of it.

    Attributes:
        run: which.
        death: what the engine knows of the end of its process and the run could not say, such as a signal that killed
            it; empty where there is nothing.
    """

    run: Run
    death: str = ""


class Engine(ABC):
    """Somewhere to make runs.

    Attributes:
        detached: whether it leaves its runs to themselves once they are submitted. Its iterator is then empty.
        adopts: whether it also waits for runs that it makes already because of an earlier command.
    """

    detached = False
    adopts = False

    @abstractmethod
    def make(self, runs: Sequence[Run]) -> Iterator[Ending | None]:
        """Make some prepared runs, and yield each as it ends, in whatever order; ``None`` for a tick without news.

        A run that fails, is killed or exhausts memory takes nothing with it. Closing the iterator, or an exception in
        it, asks what is still running to stop: each run then keeps what it has. Where runs outlive the command, as on a
        cluster, they go on instead, and the person is told so.
        """
