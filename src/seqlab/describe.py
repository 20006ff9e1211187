"""What a configuration comes to, told and not made: the parts of its run in the order in which data flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from seqlab import facts
from seqlab.data.base import SequenceData
from seqlab.experiment import Built, build, set_up
from seqlab.runs import Run
from seqlab.spec import DataSpec, Kind, Reals, Tokens
from seqlab.terminal import Terminal, count

PLACES = {"every": "at every step", "last": "at the last step", "masked": "where asked for", "after": "after all steps"}
BETTER = {"min": "lower", "max": "higher"}


def show(run: Run) -> None:
    """Print what a run would be.

    Raises:
        InputError: the configuration or the data cannot be used.
    """
    set_up(run)
    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column(no_wrap=True, style="bold")
    shown.add_column(overflow="fold")
    for name, text in described(run, build(run)).items():
        shown.add_row(name, text)
    console = Terminal()
    console.print(run.id, style="bold", soft_wrap=True)
    console.print(shown)


def described(run: Run, built: Built) -> dict[str, str]:
    """What a run is made of, by the names of its parts."""
    config, engine, spec = run.config, facts.engine(run, built.task), built.data.spec
    state = "not begun" if run.status.state == "missing" else run.status.state
    references = (f"{name.replace('_', ' ')} {value:.4g}" for name, value in spec.references.items())
    metric = f"{spec.metric.name}, {spec.metric.unit}, {BETTER[spec.metric.goal]} is better"
    return {
        "data": f"{config['choices']['data']}, {_spec(spec)}",
        "metric": "; ".join([metric, *references]),
        "cell": f"{config['choices']['cell']}, {count(built.hidden_size, 'hidden unit')}, state {built.state_size:,}",
        **({"engine": f"{engine.name}, {engine.why}"} if engine else {}),
        "model": f"{type(built.task.model).__name__}, {count(built.parameters, 'parameter')}",
        "task": type(built.task).__name__,
        "training": _training(config, built.data),
        "device": f"{facts.numerics(run, built.task)['device']}, {count(config['threads'], 'thread')}",
        "folder": f"{run.folder}, {state}",
    }


def _spec(spec: DataSpec) -> str:
    return f"{_kind(spec.inputs)} to {_kind(spec.targets)} {PLACES[spec.loss_at]}"


def _kind(kind: Kind) -> str:
    if isinstance(kind, Reals):
        return count(kind.size, "real number")
    return f"one of {kind.size:,} {'symbols' if isinstance(kind, Tokens) else 'classes'}"


def _training(config: Mapping[str, Any], data: SequenceData) -> str:
    rate = f", lr {config['optimizer']['lr']}" if "lr" in config["optimizer"] else ""
    epoch = f"{len(data.train_dataloader()):,} × {count(data.batch_size, 'sequence')} an epoch"
    limits = {unit: config["trainer"][f"max_{unit}"] or -1 for unit in ("epochs", "steps")}
    most = " or ".join(f"{limit:,} {unit}" for unit, limit in limits.items() if limit > 0)
    return f"{config['choices']['optimizer']}{rate}; {epoch}; at most {most}"
