"""Run folders as records: what each run is, and what is true of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.compare.differences import without_seed
from seqlab.ledger import Status, find
from seqlab.runs import Run


@dataclass(frozen=True)
class Record:
    """One run, as far as it got.

    Attributes:
        run: its resolved configuration and its folder.
        status: what is true of it.
    """

    run: Run
    status: Status

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved configuration."""
        return self.run.config

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self.status.state == "finished"

    @property
    def summary(self) -> Mapping[str, Any]:
        """What it came to; empty unless it ended."""
        return self.status.summary

    @property
    def seed(self) -> int:
        """The seed, which is all that differs within a group."""
        return self.config["seed"]

    @property
    def facts(self) -> dict[str, Any]:
        """What counts of its configuration, its choices and its seed among it, by dotted keys."""
        return {**self.config["choices"], **without_seed(self.config), "seed": self.seed}

    @property
    def solved(self) -> bool | None:
        """Whether it met its criteria of success; ``None`` where it had none, or has no result."""
        if self.status.state == "diverged":
            return False
        if not self.finished or "solved" not in self.summary:
            return None
        return all(after is not None for after in self.summary["solved"].values())

    def score(self, split: str) -> float | None:
        """The main metric on ``val`` (at the chosen checkpoint) or ``test``; ``None`` where there is none."""
        if not self.finished:
            return None
        metrics = self.summary["test" if split == "test" else "best"]
        return metrics.get(f"{split}/{self.summary['metric']['name']}")


def read(paths: Sequence[Path]) -> list[Record]:
    """All runs at or below some paths; a run that is there twice counts once, and one that only tried does not.

    Raises:
        OutputError: a path does not exist, or there is no run in any of them.
    """
    by_id: dict[str, Record] = {}
    for folder in find(list(paths)):
        record = read_one(folder)
        before = by_id.get(record.config["id"])
        if not record.run.is_trial and (before is None or not before.finished):
            by_id[record.config["id"]] = record
    return list(by_id.values())


def read_one(folder: Path) -> Record:
    """The record of one run folder."""
    run = Run.load(folder)
    return Record(run, run.status)
