"""What makes a run one run: its identity, its folder, its lease, and the facts it leaves behind.

The identity is ``<data>-<cell>-<8 hex>-s<seed>``: the hex is a hash of everything in the configuration that can change
the result. The same command is therefore the same run, wherever and whenever it is given.

The folders are the ledger. A folder appears whole, with its frozen configuration in it; while a process makes the run
it holds the folder's lock, which the kernel frees however the process ends; and ``summary.json`` is written last. So
what a run is can be read off its folder at any moment, by anyone, with nothing else to ask (``status``).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from filelock import FileLock, Timeout

from seqlab import durable
from seqlab.errors import Busy, OutputError

WITHOUT_EFFECT = (
    "seed",  # it is the last part of the id
    "runs_dir",
    "threads",
    "logger",
    "plugin_path",
    "data.workers",
    "callbacks.progress",
    "callbacks.samples",
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

NAMES = {
    "config": "config.yaml",
    "overrides": "overrides.yaml",
    "summary": "summary.json",
    "progress": "progress.json",
    "log": "log.txt",
    "lock": ".lock",
}

PATIENCE = 1.0
"""Seconds for which a lease that is held is asked for again: whoever looks at a lock holds it for a moment."""

State = Literal["finished", "running", "failed", "diverged", "interrupted", "preempted", "missing"]
STATES: tuple[State, ...] = get_args(State)
"""What can be true of a run. Missing is one that was prepared and never started."""


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


@dataclass(frozen=True)
class Run:
    """One run: a resolved configuration, and the folder ``<runs_dir>/<id>`` that bears its id.

    Attributes:
        config: the resolved configuration. Its ``id``, ``group`` and ``choices`` are what identity is read from.
        overrides: what the person wrote to get it.
    """

    config: dict[str, Any]
    overrides: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Run:
        """The run that a folder holds.

        Raises:
            OutputError: the folder has no readable ``config.yaml``, or not the one that the run was named after.
        """
        try:
            config = _read_yaml(folder / NAMES["config"])
            overrides = _read_yaml(folder / NAMES["overrides"])
            config["runs_dir"] = str(folder.parent)
            promised = config.pop("digest", None)
            unchanged = promised == digest(config)
        except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
            raise OutputError(
                f"{folder}: not a run folder ({error.__class__.__name__}: no usable config.yaml)"
            ) from None
        if config["id"] != folder.resolve().name:
            raise OutputError(f"{folder}: holds the run {config['id']}. Give the folder that name again.")
        if not unchanged:
            raise OutputError(
                f"{folder}/{NAMES['config']}: was changed since the run was named after it. Undo that; or make the "
                "run that you want with 'seqlab train', or from here with 'seqlab resume FOLDER --fork KEY=VALUE'."
            )
        return cls(config, tuple(overrides))

    @property
    def id(self) -> str:
        """Folder name and tracker id."""
        return self.config["id"]

    @property
    def folder(self) -> Path:
        """Where everything about this run lies."""
        return Path(self.config["runs_dir"]) / self.id

    @property
    def status(self) -> Status:
        """What is true of the run now."""
        return status(self.folder)

    @property
    def finished(self) -> bool:
        """Whether the run reached its end with finite numbers; a run that only tries whether all works never does."""
        return not self.is_trial and self.status.state == "finished"

    @property
    def is_trial(self) -> bool:
        """Whether it is one batch of each split, to find faults: made again whenever asked, and no result."""
        return bool(self.config.get("trainer", {}).get("fast_dev_run"))

    @property
    def processes(self) -> int:
        """How many processes make it together, each with one device."""
        trainer = self.config.get("trainer", {})
        devices = trainer.get("devices", 1)
        return (devices if isinstance(devices, int) and devices > 0 else 1) * trainer.get("num_nodes", 1)

    def prepare(self) -> None:
        """Make the folder with its frozen configuration in it, so that whoever has the folder can make the run.

        It appears whole or not at all; where it is there already, it is left as it is.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        root = Path(self.config["runs_dir"])
        try:
            if (self.folder / NAMES["config"]).exists():
                return
            root.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{self.id}-", dir=root))
            scratch.chmod(0o777 & ~_umask())
            written = {**self.config, "digest": digest(self.config)}
            (scratch / NAMES["config"]).write_text(_written(written), encoding="utf-8")
            (scratch / NAMES["overrides"]).write_text(_written(list(self.overrides)), encoding="utf-8")
            try:
                os.rename(scratch, self.folder)
            except OSError:  # somebody else was faster
                shutil.rmtree(scratch, ignore_errors=True)
                if not (self.folder / NAMES["config"]).exists():
                    raise
        except OSError as error:
            raise OutputError(
                f"runs_dir={self.config['runs_dir']}: cannot write there ({error.strerror}). "
                "Choose another folder with runs_dir=FOLDER."
            ) from None

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the run for this process; the kernel frees it when the process ends, however it ends.

        Raises:
            Busy: another process holds it.
            OutputError: the file system has no locks, or the folder is somebody else's.
        """
        lock = _lock(self.folder)
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise Busy(f"{self.id}: another process is making this run just now.") from None
        except (OSError, NotImplementedError) as error:
            raise OutputError(
                f"{self.folder}: cannot be locked ({error}), so two processes could make the run at once. "
                "Choose a folder on a file system with locks with runs_dir=FOLDER."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def begin(self) -> None:
        """What an earlier, unfinished try said of itself no longer holds. Only under the lease."""
        (self.folder / NAMES["summary"]).unlink(missing_ok=True)

    def report(self, progress: Mapping[str, Any]) -> None:
        """Say how far the run has come, for whoever looks at it. Only under the lease."""
        durable.write(self.folder / NAMES["progress"], json.dumps(progress) + "\n")

    def conclude(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, the last thing that a run does. Only under the lease."""
        durable.write(self.folder / NAMES["summary"], json.dumps(summary, indent=2, default=str) + "\n")
        (self.folder / NAMES["progress"]).unlink(missing_ok=True)


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
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def find(paths: list[Path]) -> list[Path]:
    """Every run folder at or below the given paths, sorted by name.

    Raises:
        OutputError: a path does not exist, or there is no run in any of them.
    """
    for path in paths:
        if not path.exists():
            raise OutputError(
                f"{path}: no such folder. Runs are made by 'seqlab train', in runs/ unless runs_dir says otherwise."
            )
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


def _lock(folder: Path) -> FileLock:
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


def _read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _written(value: Any) -> str:
    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
