"""Run folders as groups: the runs of one experiment, which differ in their seeds alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.runs import WITHOUT_EFFECT, Run, find, is_leased


@dataclass(frozen=True)
class Record:
    """One run, as far as it got.

    Attributes:
        config: its resolved configuration.
        status: ``finished``, ``failed``, ``diverged``, ``running`` or ``interrupted``.
        summary: what it came to; empty unless it ended.
    """

    config: Mapping[str, Any]
    status: str
    summary: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """The seed, which is all that differs within a group."""
        return self.config["seed"]

    @property
    def cause(self) -> str:
        """Why it did not finish, in one line."""
        return self.summary.get("error") or {"running": "it is being made now"}.get(self.status, "it was stopped")

    def score(self, split: str) -> float | None:
        """The main metric on ``val`` (at the chosen checkpoint) or ``test``; ``None`` where there is none."""
        if self.status != "finished":
            return None
        metrics = self.summary["test" if split == "test" else "best"]
        return metrics.get(f"{split}/{self.summary['metric']['name']}")


@dataclass(frozen=True)
class Group:
    """The runs of one experiment.

    Attributes:
        data: the data set's name.
        cell: the cell's name.
        records: by seed, in order.
        varied: the keys in which this group differs from others of the same data set and cell.
    """

    data: str
    cell: str
    records: tuple[Record, ...]
    varied: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The cell and what else sets the group apart, each key by its last name."""
        return " ".join([self.cell, *(f"{key.rpartition('.')[2]}={value}" for key, value in self.varied.items())])

    @property
    def finished(self) -> list[Record]:
        """The records that have a result."""
        return [record for record in self.records if record.status == "finished"]

    @property
    def unfinished(self) -> list[Record]:
        """The records that have none."""
        return [record for record in self.records if record.status != "finished"]

    def scores(self, split: str) -> list[float]:
        """The main metric of each finished run."""
        return [score for record in self.finished if (score := record.score(split)) is not None]


def read(paths: Sequence[Path]) -> dict[str, list[Group]]:
    """All groups at or below some paths, by data set.

    Raises:
        OutputError: a path does not exist, or there is no run in any of them.
    """
    by_group: dict[str, list[Record]] = defaultdict(list)
    for folder in find(list(paths)):
        record = read_one(folder)
        by_group[record.config["group"]].append(record)
    by_task: dict[tuple[str, str], list[list[Record]]] = defaultdict(list)
    for records in by_group.values():
        choices = records[0].config["choices"]
        by_task[choices["data"], choices["cell"]].append(sorted(records, key=lambda record: record.seed))
    found: dict[str, list[Group]] = defaultdict(list)
    for (data, cell), groups in sorted(by_task.items()):
        flat = [_flat(records[0].config) for records in groups]
        keys = [key for key in dict.fromkeys(k for f in flat for k in f) if len({str(f.get(key)) for f in flat}) > 1]
        for records, values in zip(groups, flat, strict=True):
            found[data].append(Group(data, cell, tuple(records), {key: values.get(key) for key in keys}))
    return dict(found)


def read_one(folder: Path) -> Record:
    """The record of one run folder."""
    run = Run.load(folder)
    try:
        summary = run.summary
    except json.JSONDecodeError:
        return Record(run.config, "failed", {"error": "its summary.json cannot be read"})
    if summary is None:
        return Record(run.config, "running" if is_leased(folder) else "interrupted", {})
    return Record(run.config, summary["status"], summary)


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted keys and values, without those that cannot change a result."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        key = f"{above}{name}"
        if key in WITHOUT_EFFECT or key in ("id", "group", "choices"):
            continue
        flat.update(_flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value})
    return flat
