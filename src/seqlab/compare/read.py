"""Run folders as groups: the runs of one experiment, which differ in their seeds alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from seqlab.identity import WITHOUT_EFFECT, what_counts
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
        """The cell and what else sets the group apart."""
        return " ".join([self.cell, *(f"{key}={value}" for key, value in self.varied.items() if value is not None)])

    @property
    def finished(self) -> list[Record]:
        """The records that have a result."""
        return [record for record in self.records if record.finished]

    @property
    def unfinished(self) -> list[Record]:
        """The records that have none."""
        return [record for record in self.records if not record.finished]

    def scores(self, split: str) -> list[float]:
        """The main metric of each finished run."""
        return [score for record in self.finished if (score := record.score(split)) is not None]

    @property
    def criteria(self) -> list[str]:
        """When its runs count as solved, by name."""
        return list(dict.fromkeys(name for record in self.finished for name in record.summary.get("solved", ())))

    def solved_after(self, criterion: str) -> list[int]:
        """How many training sequences it took, of each finished run that met a criterion."""
        after = [record.summary.get("solved", {}).get(criterion) for record in self.finished]
        return [sequences for sequences in after if sequences is not None]

    def scores_at(self, lengths: Iterable[str]) -> list[float]:
        """The mean of the main metric over some lengths of test sequences, of each finished run that tells it."""
        told = [record.summary["by_length"] for record in self.finished if record.summary.get("by_length")]
        return [fmean(by_length[length] for length in lengths) for by_length in told]


@dataclass(frozen=True)
class Section:
    """Groups that may be compared: the same data set, metric and references.

    Attributes:
        data: the data set's name.
        groups: one per experiment.
    """

    data: str
    groups: tuple[Group, ...]

    @property
    def finished(self) -> list[Record]:
        """The records that have a result."""
        return [record for group in self.groups for record in group.finished]

    @property
    def published(self) -> list[Mapping[str, Any]]:
        """What papers say of these experiments: ``by`` and figures by their names, each row once."""
        rows = [record.config.get("published") for group in self.groups for record in group.records]
        return [row for i, row in enumerate(rows) if row and row not in rows[:i]]

    @property
    def criteria(self) -> list[str]:
        """When these experiments count as solved, by name; not each need have all."""
        return list(dict.fromkeys(name for group in self.groups for name in group.criteria))

    @property
    def lengths(self) -> list[str]:
        """The lengths of test sequences for which all runs that tell the main metric by length do so."""
        told = [by_length for record in self.finished if (by_length := record.summary.get("by_length"))]
        return [length for length in told[0] if all(length in other for other in told)] if told else []


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


def sections(records: Iterable[Record]) -> list[Section]:
    """Runs by what may be compared."""
    by_group: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_group[record.config["group"]].append(record)
    by_cell: dict[tuple[str, str], list[list[Record]]] = defaultdict(list)
    for records in by_group.values():
        choices = records[0].config["choices"]
        by_cell[choices["data"], choices["cell"]].append(sorted(records, key=lambda record: record.seed))
    alike: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for (data, cell), groups in sorted(by_cell.items()):
        for members, differing in zip(groups, varied([members[0].config for members in groups]), strict=True):
            alike[data, _measured(members)].append(Group(data, cell, tuple(members), differing))
    return [Section(data, tuple(groups)) for (data, _), groups in alike.items()]


def _measured(records: Sequence[Record]) -> str:
    """The metric and references of an experiment, in which those that may be compared agree."""
    facts = [(r.summary["metric"], r.summary["references"]) for r in records if r.finished]
    return json.dumps(facts[0], sort_keys=True) if facts else ""


def varied(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each configuration, the options and values in which it differs from the others.

    Where another option of a group is chosen, its name says it all, and its keys are left out.
    """
    chosen = [dict(config["choices"]) for config in configs]
    options = [group for group in chosen[0] if len({str(choice.get(group)) for choice in chosen}) > 1]
    flat = [without_seed(config) for config in configs]
    keys = [
        key
        for key in dict.fromkeys(key for values in flat for key in values)
        if key.partition(".")[0] not in options and len({str(values.get(key)) for values in flat}) > 1
    ]
    last = [key.rpartition(".")[2] for key in keys]
    names = [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]
    return [
        {group: choice.get(group) for group in options if group not in WITHOUT_EFFECT}
        | {name: values.get(key) for name, key in zip(names, keys, strict=True)}
        for choice, values in zip(chosen, flat, strict=True)
    ]


def without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a configuration, but for what is only its seed by another name."""
    seed = config["seed"]
    return {k: value for k, value in what_counts(config).items() if not (k.endswith(".seed") and value == seed)}


def read_one(folder: Path) -> Record:
    """The record of one run folder."""
    run = Run.load(folder)
    return Record(run, run.status)
