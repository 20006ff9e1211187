"""What makes a run one run: ``<data>-<cell>-<8 hex>-s<seed>``.

The hex is a hash of everything in the configuration that can change the result. The same command is therefore the same
run, wherever and whenever it is given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

WITHOUT_EFFECT = (
    "seed",  # it is the last part of the id
    "published",
    "runs_dir",
    "threads",
    "logger",
    "plugin_path",
    "cell.engine",
    "optimizer.fused",
    "data.workers",
    "callbacks.progress",
    "callbacks.samples",
    "callbacks.gradients",
    "callbacks.tables",
    "callbacks.resume",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.profiler",
    "trainer.log_every_n_steps",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
)
"""Keys that say where and how a run is made and watched, but cannot change its result."""

NAMING = ("id", "group", "choices")
"""Keys of a run's configuration that say what it is called."""


def group_of(config: Mapping[str, Any], data: str, cell: str) -> str:
    """The identity shared by the seeds of one experiment: ``<data>-<cell>-<8 hex>``.

    Args:
        config: the resolved configuration, with the seed pinned so that no value derived from it differs.
        data: the name of the chosen data set.
        cell: the name of the chosen cell.
    """
    return f"{data}-{cell}-{_hash(what_counts(config))}"


def digest(config: Mapping[str, Any]) -> str:
    """What a frozen configuration says, in 8 hex digits: its run's name and all that can change its result."""
    return _hash({"id": config["id"], "seed": config["seed"], **what_counts(config)})


def what_counts(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted keys and values of a configuration, without those that cannot change a result."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        key = f"{above}{name}"
        if key not in WITHOUT_EFFECT and key not in NAMING:
            flat.update(what_counts(value, f"{key}.") if isinstance(value, Mapping) else {key: _canonical(value)})
    return flat


def _hash(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _canonical(value: Any) -> Any:
    """One form for equal values: 1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
