"""Run folders as training leaves them, without the training."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqlab import lines
from seqlab.compare.answer import Answer, answer
from seqlab.compare.read import read
from seqlab.compare.sections import sections
from seqlab.identity import group_of
from seqlab.ledger import NAMES
from seqlab.runs import Run


def put(
    root: Path,
    cell: str,
    seed: int,
    score: float | None,
    status: str = "finished",
    lr: float = 0.1,
    told: Mapping[str, Any] | None = None,
    data_set: str = "adding",
    overrides: Sequence[str] = (),
    **more: Any,
) -> Run:
    """A run folder as training leaves it, with what its summary tells, or its configuration has, besides or instead.

    Without a score it is one that did not get so far.
    """
    counts = {"cell": {"hidden_size": 64}, "optimizer": {"lr": lr}, **more}
    group = group_of(counts, data_set, cell)
    choices = {"data": data_set, "cell": cell}
    names = {"id": f"{group}-s{seed}", "group": group, "choices": choices, "seed": seed, "runs_dir": str(root)}
    run = Run({**names, **counts}, tuple(overrides))
    run.prepare()
    summary: dict[str, Any] = {"status": status, "metric": {"name": "mse", "goal": "min", "unit": "squared units"}}
    if score is not None:
        summary |= {
            "references": {"chance": 1 / 6, "best": 0.0},
            "test": {"test/mse": score},
            "best": {"val/mse": score * 1.1},
            "parameters": 17473,
            "state_size": 128,
            "seconds": 20.0,
        }
    elif status != "interrupted":
        summary["error"] = f"{status} for a reason"
    if status != "interrupted":
        run.conclude(summary | dict(told or {}))
    return run


def validated(run: Run, values: Mapping[int, float], costs: bool = True, metric: str = "mse") -> Run:
    """The same run with its metrics: what validation came to after so many steps of 10 tokens and half a second each.

    Args:
        run: a run.
        values: by step.
        costs: whether it told tokens and seconds.
        metric: what was measured.
    """
    rows: list[dict[str, Any]] = []
    for step, value in values.items():
        rows.append({"step": step - 1, "train/loss": 2 * value})  # Lightning counts from 0
        rows.append({"step": step - 1, f"val/{metric}": value})
        if costs:
            rows[-1] |= {"train/tokens": 10 * step, "train/seconds": step / 2}
    with (run.folder / NAMES["metrics"]).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", "train/loss", f"val/{metric}", "train/tokens", "train/seconds"])
        writer.writeheader()
        writer.writerows(rows)
    return run


def says(run: Run, *said: Mapping[str, Any]) -> Run:
    """The same run with samples."""
    lines.append(run.folder / NAMES["samples"], said)
    return run


def answers(root: Path, metric: str | None = None, asked: float | None = None, by: Sequence[str] = ()) -> list[Answer]:
    """The comparisons of all runs in a folder."""
    return [answer(section, metric, asked) for section in sections(read([root]), by)]
