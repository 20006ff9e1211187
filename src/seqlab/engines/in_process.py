"""This process: one run after the other, where a debugger sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqlab.engines.base import Ending, Engine
from seqlab.errors import Interrupted, Preempted, SeqlabError
from seqlab.imports import importing
from seqlab.runs import Run


class InProcess(Engine):
    """Runs that share a process: the next one starts in a fraction of a second, and what kills one ends them all."""

    def make(self, runs: Sequence[Run]) -> Iterator[Ending | None]:
        """In their order; what goes wrong in one is in its folder, and the next one is made."""
        with importing():
            from seqlab import experiment

        for run in runs:
            try:
                experiment.make(run)
            except (Interrupted, Preempted):
                raise
            except SeqlabError:
                pass
            yield Ending(run)
