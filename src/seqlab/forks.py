"""A fork: another run, which begins where one stopped, under other values or on another machine.

It has an identity of its own, made of what it is and of what it comes from, so it is never taken for a run that was
made in one piece.
"""

from __future__ import annotations

import shutil
from typing import Any

from seqlab import checkpoints
from seqlab.errors import ConfigError
from seqlab.identity import group_of, what_counts
from seqlab.ledger import NAMES, ROWS
from seqlab.runs import Run

CHOICES = ("data", "cell", "model", "task", "optimizer")
SIZES = ("budget.parameters", "budget.state", "cell.hidden_size", "cell.num_layers", "model.embedding_size")
"""The choices and values that a fork has in common with what it comes from: its checkpoint is of their making."""


def fork(parent: Run, other: Run) -> Run:
    """The run with the configuration of ``other`` that goes on from where ``parent`` is now; its folder is made.

    Raises:
        ConfigError: there is nothing to go on from, or the two differ in what a checkpoint is made of.
    """
    before, now = _fixed(parent), _fixed(other)
    for key in before:
        if now[key] != before[key]:
            raise ConfigError(
                f"{key}={now[key]}: a fork goes on from a checkpoint of {key}={before[key]}. Make a run of its own "
                "with 'seqlab train'."
            )
    choices = other.config["choices"]
    origin = {"from": parent.config["group"], "to": other.config["group"]}
    group = group_of(origin, choices["data"], choices["cell"])
    config = {**other.config, "id": f"{group}-s{other.config['seed']}", "group": group, "forked_from": parent.id}
    child = Run(config, other.overrides)
    kept = child.folder / "checkpoints"
    if (kept / checkpoints.LAST).exists():  # written last; without it the fork was killed while it was made
        return child
    last = checkpoints.newest(parent.folder / "checkpoints")
    if last is None:
        raise ConfigError(f"{parent.folder}: has no checkpoint to go on from. Make a run with 'seqlab train'.")
    child.prepare()
    kept.mkdir(exist_ok=True)
    for name in (*(NAMES[rows] for rows in ROWS), f"checkpoints/{checkpoints.BEST}"):
        if (parent.folder / name).exists():
            shutil.copyfile(parent.folder / name, child.folder / name)
    afresh = any(parent.config[group] != other.config[group] for group in ("optimizer", "scheduler"))
    begun = {**checkpoints.read(last), "origin": {}, "fitted": False, "afresh": afresh}
    checkpoints.write(kept / checkpoints.LAST, begun)
    return child


def _fixed(run: Run) -> dict[str, Any]:
    """What a run's checkpoint is made of, as it is written on the command line."""
    values = {**run.config["choices"], **what_counts(run.config)}
    return {key: "null" if values.get(key) is None else values[key] for key in (*CHOICES, *SIZES)}
