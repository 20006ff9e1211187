"""What may be compared: groups of runs that differ in their seeds alone, on the same data."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from seqlab.compare.differences import differences, short, varying, without_seed, written
from seqlab.compare.read import Record


@dataclass(frozen=True)
class Group:
    """The runs of one experiment.

    Attributes:
        data: the data set's name.
        cell: the cell's name.
        records: by seed, in order.
        varied: the keys in which this group differs from others of its section.
        pooled: where a person said what tells groups apart, in what else a run differs from others, by its id.
    """

    data: str
    cell: str
    records: tuple[Record, ...]
    varied: Mapping[str, Any]
    pooled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def name(self, record: Record) -> str:
        """What one of its runs is called, and what it is paired by: ``seed 1``, and what else is pooled."""
        return written(f"seed {record.seed}", self.pooled.get(record.run.id, {}))

    @property
    def experiments(self) -> list[list[Record]]:
        """Its runs by experiment: one, unless several are pooled."""
        by_name: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            by_name[record.config["group"]].append(record)
        return list(by_name.values())

    @property
    def label(self) -> str:
        """The cell and what else sets the group apart."""
        return written(self.cell, self.varied)

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
    """Groups that may be compared.

    Attributes:
        data: the data set's name, and what sets it apart from those of other sections.
        groups: one per experiment.
    """

    data: str
    groups: tuple[Group, ...]

    @cached_property
    def finished(self) -> list[Record]:
        """The records that have a result."""
        return [record for group in self.groups for record in group.finished]

    @property
    def measure(self) -> Mapping[str, Any] | None:
        """The main metric: ``name``, ``goal`` and ``unit``; ``None`` while nothing has finished."""
        return self.finished[0].summary["metric"] if self.finished else None

    @property
    def references(self) -> Mapping[str, float]:
        """What the main metric is for predictors that need no training."""
        return self.finished[0].summary["references"] if self.finished else {}

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


def sections(records: Iterable[Record], by: Sequence[str] = ()) -> list[Section]:
    """Runs by what may be compared: those on the same data, by the same metric, with the same references.

    Args:
        records: runs.
        by: the keys that tell groups apart, in full; none for all in which experiments differ.
    """
    by_group: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_group[record.config["group"]].append(record)
    groups = [sorted(members, key=lambda record: record.seed) for members in by_group.values()]
    known = {_data(members[0]): facts for members in groups if (facts := _facts(members))}
    alike: dict[tuple[str, str], list[list[Record]]] = defaultdict(list)
    for members in sorted(groups, key=lambda members: _names(members[0])):
        name, _ = _names(members[0])
        of_its_data = known.get(_data(members[0]), _data(members[0]))  # where nothing of the group has finished
        alike[name, _facts(members) or of_its_data].append(members)
    titles = _titles([(name, of[0][0].config) for (name, _), of in alike.items()])
    told = zip(titles, alike.values(), strict=True)
    return [_pooled(title, of, by) if by else _section(title, of) for title, of in told]


def _section(title: str, groups: Sequence[Sequence[Record]]) -> Section:
    told = differences([members[0].config for members in groups])
    return Section(
        title,
        tuple(
            Group(*_names(members[0]), tuple(members), differing)
            for members, differing in zip(groups, told, strict=True)
        ),
    )


def _pooled(title: str, experiments: Sequence[Sequence[Record]], by: Sequence[str]) -> Section:
    """Experiments that agree in some keys as one group."""
    names = short(by)
    alike: dict[tuple[str, ...], list[tuple[Sequence[Record], dict[str, Any]]]] = defaultdict(list)
    for members, differing in zip(experiments, varying([members[0].config for members in experiments]), strict=True):
        told = {key: members[0].facts.get(key) for key in by}
        rest = {"cell": _names(members[0])[1], **differing}
        alike[tuple(map(str, told.values()))].append((members, {k: v for k, v in rest.items() if k not in by}))
    groups = []
    for pooled in alike.values():
        first = pooled[0][0][0]
        data, cell = _names(first)
        told = {names[key]: first.facts.get(key) for key in by if key != "cell"}
        rest = {record.run.id: differing for members, differing in pooled for record in members}
        records = sorted((r for members, _ in pooled for r in members), key=lambda record: record.seed)
        groups.append(Group(data, cell if "cell" in by else "", tuple(records), told, rest))
    return Section(title, tuple(groups))


def _names(record: Record) -> tuple[str, str]:
    choices = record.config["choices"]
    return choices["data"], choices["cell"]


def _titles(named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The name of each section's data set, and what sets its data apart where there are several sections of it."""
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for name, config in named:
        by_name[name].append(config)
    told = {name: iter(differences(configs, "data.")) for name, configs in by_name.items()}
    return [written(name, next(told[name])) for name, _ in named]


def _data(record: Record) -> str:
    """The data's own part of a configuration."""
    return str({key: value for key, value in without_seed(record.config).items() if key.startswith("data.")})


def _facts(records: Sequence[Record]) -> str:
    """What those that may be compared agree in; empty while nothing has finished."""
    keys = ("metric", "references", "fingerprint")
    told = [{key: r.summary.get(key) for key in keys} for r in records if r.finished]
    return json.dumps(told[0], sort_keys=True) if told else ""
