"""This machine: runs that differ in seeds and in how they learn are packed, several into a process."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from seqlab.engines.local import Local
from seqlab.errors import ConfigError
from seqlab.identity import what_counts
from seqlab.ranges import Range
from seqlab.runs import Run

SIZE = Range(int, 1)
"""How many runs a pack may have."""
OWN = ("optimizer.", "scheduler.", "trainer.gradient_clip_val")
"""Keys in which the runs of a pack may differ, beside all seeds."""


class Packed(Local):
    """Processes on this machine, each of which trains several nets of one shape at once.

    Args:
        workers: how many processes at once; ``None`` for one per GPU, or one per core where there is no GPU.
        size: how many runs a process makes at once, at most.

    Raises:
        ConfigError: no such number.
    """

    def __init__(self, workers: int | None = None, size: int = 32):
        super().__init__(workers)
        if size not in SIZE:
            raise ConfigError(f"hydra.launcher.size: got {size}; expected {SIZE}.")
        self.size = size

    def shared_out(self, runs: Sequence[Run], room: int) -> list[Sequence[Run]]:
        """Runs of one kind, as evenly as they can be shared by all processes."""
        kinds: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            kinds[_kind(run)].append(run)
        return [pack for alike in kinds.values() for pack in _even(alike, self.size, room)]


def _kind(run: Run) -> str:
    """All of a configuration in which the runs of a pack do not differ."""
    if run.processes > 1:
        return run.id
    counts = what_counts(run.config)
    alike = {key: counts[key] for key in counts if not (key.startswith(OWN) or key.split(".")[-1] == "seed")}
    return json.dumps(alike, default=str)


def _even(runs: Sequence[Run], size: int, room: int) -> list[Sequence[Run]]:
    """Parts of at most a size, in as few rounds as there can be if each process has one of them at a time."""
    rounds = -(-len(runs) // (size * room))
    n = min(rounds * room, len(runs))
    return [runs[a:b] for a, b in pairwise(len(runs) * i // n for i in range(n + 1))]
