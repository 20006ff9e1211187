"""Which runs are compared, and by which keys they are told apart, where a person says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.compare.read import Record
from seqlab.errors import ConfigError, suggestion


def where(records: Sequence[Record], conditions: Sequence[str]) -> list[Record]:
    """The runs that meet all conditions.

    Args:
        records: runs.
        conditions: each ``KEY=VALUE``, or ``KEY=VALUE,VALUE`` for one of some; a key is as on the command line of
            ``seqlab train``, or its last part where that is clear.

    Raises:
        ConfigError: a condition of another form, a key that no run has, or none of the runs meets them.
    """
    if not conditions:
        return list(records)
    told = [record.facts for record in records]
    wanted = [_parsed(condition, told) for condition in conditions]
    chosen = [
        record
        for record, values in zip(records, told, strict=True)
        if all(key in values and _same(values[key], allowed) for key, allowed in wanted)
    ]
    if not chosen:
        raise ConfigError(f"--where {' --where '.join(conditions)}: none of {len(records)} runs. See 'seqlab status'.")
    return chosen


def keys(records: Sequence[Record], words: Sequence[str]) -> list[str]:
    """Keys in full, from ``KEY`` or ``KEY,KEY``.

    Raises:
        ConfigError: a key that no run has, or that several end in.
    """
    told = [record.facts for record in records] if words else []
    return [_full(key, told) for word in words for key in word.split(",")]


def check_metric(records: Sequence[Record], metric: str | None) -> None:
    """A measure that is asked for was measured.

    Raises:
        ConfigError: no finished run has it on the test set.
    """
    ended = [record.summary["test"] for record in records if record.finished]
    known = list(dict.fromkeys(name.removeprefix("test/") for tested in ended for name in tested))
    if metric is not None and metric not in known:
        hint = suggestion(metric, known)
        raise ConfigError(f"--metric {metric}: not measured on these runs.{hint} Measured: {', '.join(known)}.")


def _full(key: str, known: Sequence[Mapping[str, Any]]) -> str:
    """A key of some configurations in full, given it or its last part.

    Raises:
        ConfigError: none of them has it, or several have keys that end so.
    """
    keys = dict.fromkeys(name for values in known for name in values)
    if key in keys:
        return key
    last = [name.rpartition(".")[2] for name in keys]
    alike = [name for name in keys if name.rpartition(".")[2] == key]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise ConfigError(f"{key}: may be {' or '.join(alike)}. Write it in full.")
    raise ConfigError(f"{key}: none of these runs has such a key.{suggestion(key, [*keys, *last])}")


def _parsed(condition: str, known: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    key, equals, value = condition.partition("=")
    if not equals:
        raise ConfigError(f"--where {condition}: not of the form KEY=VALUE.")
    return _full(key, known), value.split(",")


def _same(value: Any, allowed: Sequence[str]) -> bool:
    """Whether a value is one of some that were written on a command line: 1e-3 is 0.001, and null is nothing."""
    return any(value == _read(each) or str(value) == each for each in allowed)


def _read(written: str) -> Any:
    try:
        return float(written)
    except ValueError:
        return {"null": None, "true": True, "false": False}.get(written.lower(), written)
