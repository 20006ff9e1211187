"""What is true of a run beside its numbers: who it is, on what data, at which commit, on which machine."""

from __future__ import annotations

import math
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from seqlab.cells import base as cells
from seqlab.cells.base import Engine
from seqlab.data.base import SequenceData
from seqlab.models import steps
from seqlab.plugins import conf_dir
from seqlab.runs import Run

DTYPES = {"64": torch.float64, "bf16": torch.bfloat16, "16": torch.float16}
"""What numbers are, where ``trainer.precision`` says so."""


def identity(run: Run) -> dict[str, Any]:
    """The names by which a run is found."""
    choices = run.config["choices"]
    return {
        "id": run.id,
        "group": run.config["group"],
        "data": choices["data"],
        "cell": choices["cell"],
        "seed": run.config["seed"],
    }


def of_run(run: Run, data: SequenceData, task: nn.Module) -> dict[str, Any]:
    """What was run, on what data, and where."""
    return {
        **identity(run),
        "metric": asdict(data.spec.metric),
        "references": dict(data.spec.references),
        "fingerprint": data.fingerprint,
        "commit": _commit(),
        "environment": {
            "python": platform.python_version(),
            "lightning": pl.__version__,
            "platform": platform.platform(),
            **numerics(run, task),
        },
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def numerics(run: Run, task: nn.Module) -> dict[str, Any]:
    """What the last bits of a result depend on beside the configuration: library, instructions, threads, engine."""
    return {
        "torch": str(torch.__version__),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": run.processes,
        "device": torch.cuda.get_device_name() if _on_gpu(run) else "cpu",
        **({"engine": chosen.name} if (chosen := engine(run, task)) else {}),
    }


def engine(run: Run, task: nn.Module) -> Engine | None:
    """What computes the first cell of a task's model in this run; ``None`` where it has no choice."""
    name, _, kind = str(run.config["trainer"]["precision"]).partition("-")
    dtype = DTYPES.get(name, torch.float32) if kind in ("", "true") else torch.float32
    like = torch.empty(0, dtype=dtype, device="cuda" if _on_gpu(run) else "cpu")
    told = (cells.engine(cell, like) for _, cell in steps.cells(task))
    return next((one for one in told if one), None)


def peak_memory(run: Run) -> int:
    """The most octets that this process held at once: of tensors on a GPU, else of anything, PyTorch itself too."""
    if _on_gpu(run):
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _on_gpu(run: Run) -> bool:
    return run.config["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available()


def origin(run: Run, data: SequenceData, task: nn.Module) -> dict[str, Any]:
    """What a run that goes on must have in common with the one that stopped, for its bits to be the same."""
    named = {"experiment": run.config["group"], "seed": run.config["seed"], "data": data.fingerprint}
    return named | numerics(run, task)


def _commit() -> str | None:
    """The clone's commit, with ``-dirty`` where files differ; ``None`` for an installed package."""
    clone = conf_dir().parent
    if not (clone / ".git").exists():
        return None
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def headline(summary: Mapping[str, Any]) -> str:
    """The main metric beside what chance scores: ``test/mse 0.00031 (chance 0.1667), 17 s``."""
    name = f"test/{summary['metric']['name']}"
    references = ", ".join(f"{kind.replace('_', ' ')} {value:.4g}" for kind, value in summary["references"].items())
    value = summary["test"].get(name, math.nan)
    return f"{name} {value:.4g}{f' ({references})' if references else ''}, {summary['seconds']:.0f} s"
