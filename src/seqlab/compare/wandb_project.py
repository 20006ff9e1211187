"""The runs of a Weights & Biases project as run folders, so that whatever reads these can read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqlab import durable
from seqlab.errors import OutputError
from seqlab.ledger import NAMES
from seqlab.runs import Run

PATIENCE = 30
"""Seconds that the server may take to answer."""
ROWS = 10_000
"""Of the history of a run, at most."""
STATES = {"killed": "interrupted", "preempted": "preempted"}
"""What W&B says of a run that has no result, in our words; anything else has failed."""


def fetch(project: str, into: Path) -> list[Path]:
    """Run folders for the runs of a project that seqlab made.

    Args:
        project: ``PROJECT``, or ``ENTITY/PROJECT``.
        into: where the folders are made.

    Raises:
        OutputError: there is no account, no such project, no answer, or no run of seqlab's in it.
    """
    import wandb

    try:
        runs = wandb.Api(timeout=PATIENCE).runs(project, lazy=False)
        folders = [_folder(run, into) for run in runs if _is_ours(run.config)]
    except Exception as error:  # wandb raises its own, those of its transport, and plain ones
        told = (str(error) or error.__class__.__name__).splitlines()[0]
        raise OutputError(f"--wandb {project}: cannot be read ({told}). See its name, and 'wandb login'.") from None
    if not folders:
        raise OutputError(f"--wandb {project}: none of its runs was made by seqlab.")
    return folders


def _is_ours(config: Mapping[str, Any]) -> bool:
    """Whether a run has our configuration; its name, which becomes a folder's, must not lead elsewhere."""
    name = config.get("cfg", {}).get("id", "")
    return bool(name) and Path(name).name == name


def _folder(told: Any, into: Path) -> Path:
    run = Run({**told.config["cfg"], "runs_dir": str(into)})
    run.prepare()
    durable.write(run.folder / NAMES["metrics"], _table(told.history(samples=ROWS, pandas=False)))
    summary = _plain(told.summary_metrics.get("seqlab"))
    if told.state != "running":
        run.conclude(summary or {"status": STATES.get(told.state, "failed"), "error": f"W&B says: {told.state}"})
    return run.folder


def _table(history: Sequence[Mapping[str, Any]]) -> str:
    """``metrics.csv``, of what W&B has of it."""
    rows = [
        {"step": int(row["trainer/global_step"]), **{name: row[name] for name in row if "/" in name}}
        for row in history
        if row.get("trainer/global_step") is not None
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(["step", *(name for row in rows for name in row)]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """What W&B keeps in objects of its own as plain mappings; a number that JSON has no word for as a number again."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value
