"""In what experiments differ: the choices and values that vary among them, by names as short as can be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqlab.identity import WITHOUT_EFFECT, what_counts

OF_THE_CELL = ("cell.", "model.", "task.", "model", "task")
"""Keys and choices that may follow from the cell: they are held against those of the same cell alone."""


def differences(configs: Sequence[Mapping[str, Any]], within: str = "") -> list[dict[str, Any]]:
    """For each configuration, the choices and values in which it differs from others, by short names.

    Where another option of a group is chosen, its name says it all, and its keys are left out.

    Args:
        configs: resolved configurations of runs.
        within: only keys that begin with this.
    """
    told = varying(configs, within)
    names = short(key for each in told for key in each)
    return [{names[key]: value for key, value in each.items()} for each in told]


def varying(configs: Sequence[Mapping[str, Any]], within: str = "") -> list[dict[str, Any]]:
    """The same, by their full names."""
    flat = [{**_chosen(config), **without_seed(config)} for config in configs]
    by_cell: dict[str, list[int]] = defaultdict(list)
    for i, config in enumerate(configs):
        by_cell[config["choices"]["cell"]].append(i)
    told: list[dict[str, Any]] = [{} for _ in configs]
    for members, of_the_cell in [(range(len(configs)), False), *((cell, True) for cell in by_cell.values())]:
        keys = [key for key in _varying([flat[i] for i in members]) if key.startswith(OF_THE_CELL) == of_the_cell]
        for i in members:
            told[i].update({key: flat[i].get(key) for key in keys if key.startswith(within)})
    return told


def written(name: str, varied: Mapping[str, Any]) -> str:
    """``lstm lr=0.1``; what is not set is not told."""
    return " ".join([name, *(f"{key}={value}" for key, value in varied.items() if value is not None)]).strip()


def without_seed(config: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a configuration, but for what is only its seed by another name."""
    seed = config["seed"]
    return {k: value for k, value in what_counts(config).items() if not (k.endswith(".seed") and value == seed)}


def _chosen(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options, but for those that a section and a row are named after, and those that cannot change a result."""
    named = ("data", "cell", *WITHOUT_EFFECT)
    return {group: option for group, option in config["choices"].items() if group not in named}


def _varying(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for values in flat for key in values)
    vary = [key for key in keys if len({str(values.get(key)) for values in flat}) > 1]
    return [key for key in vary if "." not in key or key.partition(".")[0] not in vary]


def short(keys: Iterable[str]) -> dict[str, str]:
    """The last part of each key, or all of it where others end alike."""
    distinct = list(dict.fromkeys(keys))
    last = [key.rpartition(".")[2] for key in distinct]
    return {key: name if last.count(name) == 1 else key for key, name in zip(distinct, last, strict=True)}
