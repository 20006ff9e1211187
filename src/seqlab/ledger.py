"""The run folders as a ledger: what is true of each run, read off its folder at any moment, by anyone.

A folder appears whole, with its frozen configuration in it; while a process makes the run it holds the folder's lock,
which the kernel frees however the process ends; and ``summary.json`` is written last. There is nothing else to ask.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from seqlab.errors import OutputError

NAMES = {
    "config": "config.yaml",
    "overrides": "overrides.yaml",
    "summary": "summary.json",
    "progress": "progress.json",
    "log": "log.txt",
    "metrics": "metrics.csv",
    "samples": "samples.jsonl",
    "gradients": "gradients.jsonl",
    "tests": "tests.jsonl",
    "lock": ".lock",
}
"""What lies in a run folder."""
ROWS = ("metrics", "samples", "gradients")
"""Of which a run writes more as it goes."""

State = Literal["finished", "running", "failed", "diverged", "interrupted", "preempted", "missing"]
STATES: tuple[State, ...] = get_args(State)
"""What can be true of a run. Missing is one that was prepared and never started."""


@dataclass(frozen=True)
class Status:
    """What is true of a run at one moment, read off its folder.

    Attributes:
        folder: the run folder.
        state: one of ``STATES``.
        summary: what the run came to; empty while it has not ended.
        progress: how far it had come when it last said so: ``step``, ``of`` (how many steps there will be), ``seconds``
            of training; empty where it has not said.
        changed: when it last changed, in seconds since 1970.
    """

    folder: Path
    state: State
    summary: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    changed: float = 0.0

    @property
    def id(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def cause(self) -> str:
        """Why there is no result, in one line."""
        told = {
            "finished": "",
            "running": "it is being made now",
            "missing": "it was never started",
            "interrupted": "it was killed, and left no word",
        }
        return self.summary.get("error") or told.get(self.state, "it left no word")

    @property
    def score(self) -> float | None:
        """The main metric on the validation set at the chosen checkpoint; ``None`` where there is none."""
        if self.state != "finished":
            return None
        return self.summary["best"].get(f"val/{self.summary['metric']['name']}")

    @cached_property
    def share(self) -> float | None:
        """How much of the training is done, from 0 to 1; ``None`` where that is not known."""
        if self.state == "finished":
            return 1.0
        done, planned = self.progress.get("step"), self.progress.get("of")
        return done / planned if done is not None and planned else None

    def left(self, now: float | None = None) -> float | None:
        """Seconds of training left, if it is running and goes on as fast as until now."""
        if self.state != "running" or not self.share:
            return None
        since = (time.time() if now is None else now) - self.changed
        return max(0.0, self.progress["seconds"] * (1 / self.share - 1) - since)


def status(folder: Path) -> Status:
    """What is true of the run in a folder, found without reading its configuration: cheap enough for thousands."""
    summary, ended = _read_json(folder / NAMES["summary"])
    if summary is not None and summary.get("status") == "finished":
        return Status(folder, "finished", summary, {}, ended)
    leased = is_leased(folder)
    if summary is not None and not leased:
        return Status(folder, summary.get("status", "failed"), summary, {}, ended)
    progress, said = _read_json(folder / NAMES["progress"])
    lock = folder / NAMES["lock"]
    if not lock.exists():
        return Status(folder, "missing", changed=_changed(folder / NAMES["config"]))
    return Status(folder, "running" if leased else "interrupted", {}, progress or {}, said or _changed(lock))


def is_leased(folder: Path) -> bool:
    """Whether a process is making the run in this folder now."""
    if not (folder / NAMES["lock"]).exists():
        return False
    lock = lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def find(paths: list[Path]) -> list[Path]:
    """Every run folder at or below the given paths, sorted by name.

    Raises:
        OutputError: a path is no folder, or there is no run in any of them.
    """
    for path in paths:
        if not path.exists():
            raise OutputError(
                f"{path}: no such folder. Runs are made by 'seqlab train', in runs/ unless runs_dir says otherwise."
            )
        if not path.is_dir():
            raise OutputError(f"{path}: is a file. Give a run folder, or a folder of them.")
    folders = {folder for path in paths for folder in _below(path)}
    if not folders:
        raise OutputError(f"{', '.join(map(str, paths))}: no run folders. Make some with 'seqlab train'.")
    return sorted(folders, key=lambda folder: folder.name)


def _below(path: Path) -> Iterator[Path]:
    if (path / NAMES["config"]).exists() and (path / NAMES["overrides"]).exists():
        yield path
        return
    with os.scandir(path) as entries:
        inner = [entry.path for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    for folder in inner:
        yield from _below(Path(folder))


def lock_of(folder: Path) -> FileLock:
    """The lock that whoever makes the run in a folder holds."""
    # a soft lock, the fallback where there is no flock, would outlive a process that is killed
    return FileLock(folder / NAMES["lock"], fallback_to_soft=False)


def _read_json(path: Path) -> tuple[dict[str, Any] | None, float]:
    """What a file says and when it was written; ``None`` where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8")), _changed(path)
    except (FileNotFoundError, NotADirectoryError):
        return None, 0.0
    except json.JSONDecodeError as error:
        return {"status": "failed", "error": f"its {path.name} cannot be read ({error})"}, _changed(path)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
