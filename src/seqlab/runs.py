"""What makes a run one run: its identity, its folder, its lease, and the facts it leaves behind.

The identity is ``<data>-<cell>-<8 hex>-s<seed>``: the hex is a hash of everything in the configuration that can change
the result. The same command is therefore the same run, wherever and whenever it is given.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from seqlab.errors import OutputError, SeqlabError

WITHOUT_EFFECT = (
    "seed",  # it is the last part of the id
    "runs_dir",
    "threads",
    "logger",
    "plugin_path",
    "callbacks.progress",
    "callbacks.samples",
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

NAMES = {"config": "config.yaml", "overrides": "overrides.yaml", "summary": "summary.json", "log": "log.txt"}


def group_of(config: Mapping[str, Any], data: str, cell: str) -> str:
    """The identity shared by the seeds of one experiment: ``<data>-<cell>-<8 hex>``.

    Args:
        config: the resolved configuration, with the seed pinned so that no value derived from it differs.
        data: the name of the chosen data set.
        cell: the name of the chosen cell.
    """
    text = json.dumps(_without(config, WITHOUT_EFFECT), sort_keys=True, default=str)
    return f"{data}-{cell}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _without(config: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """A copy of a nested mapping without some dotted keys."""
    heads = {key for key in keys if "." not in key}
    kept = {}
    for name, value in config.items():
        inner = tuple(key.partition(".")[2] for key in keys if key.startswith(f"{name}."))
        if name not in heads:
            kept[name] = _without(value, inner) if isinstance(value, Mapping) else _canonical(value)
    return kept


def _canonical(value: Any) -> Any:
    """One form for equal values: 1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old text or the new, never a part."""
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


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
            OutputError: the folder has no readable ``config.yaml``.
        """
        try:
            config = yaml.safe_load((folder / NAMES["config"]).read_text(encoding="utf-8"))
            overrides = yaml.safe_load((folder / NAMES["overrides"]).read_text(encoding="utf-8"))
            config["runs_dir"] = str(folder.parent)
            return cls(config, tuple(overrides))
        except (OSError, yaml.YAMLError, TypeError) as error:
            raise OutputError(
                f"{folder}: not a run folder ({error.__class__.__name__}: no usable config.yaml)"
            ) from None

    @property
    def id(self) -> str:
        """Folder name and tracker id."""
        return self.config["id"]

    @property
    def folder(self) -> Path:
        """Where everything about this run lies."""
        return Path(self.config["runs_dir"]) / self.id

    @property
    def summary(self) -> dict[str, Any] | None:
        """What the run came to; ``None`` while nothing has been written."""
        try:
            return json.loads((self.folder / NAMES["summary"]).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    @property
    def finished(self) -> bool:
        """Whether the run reached its end with finite numbers; a run that only tries whether all works never does."""
        return not self.is_trial and (self.summary or {}).get("status") == "finished"

    @property
    def is_trial(self) -> bool:
        """Whether it is one batch of each split, to find faults: made again whenever asked, and no result."""
        return bool(self.config.get("trainer", {}).get("fast_dev_run"))

    @property
    def last_checkpoint(self) -> Path | None:
        """Where to go on from, if the run was interrupted."""
        path = self.folder / "checkpoints" / "last.ckpt"
        return path if path.is_file() else None

    def prepare(self) -> None:
        """Make the folder with its configuration in it, so that whoever has the folder can make the run.

        What an earlier, unfinished try said of itself no longer holds, and is taken away.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / NAMES["config"], yaml.safe_dump(self.config, sort_keys=False))
            write_atomically(self.folder / NAMES["overrides"], yaml.safe_dump(list(self.overrides)))
            if not self.finished:
                (self.folder / NAMES["summary"]).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"runs_dir={self.config['runs_dir']}: cannot write there ({error.strerror}). "
                "Choose another folder with runs_dir=FOLDER."
            ) from None

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the run for this process; the kernel frees it when the process ends, however it ends.

        Raises:
            SeqlabError: another process holds it.
        """
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise SeqlabError(f"{self.id}: another process is making this run just now.") from None
        try:
            yield
        finally:
            lock.release()

    def conclude(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, the last thing that a run does."""
        write_atomically(self.folder / NAMES["summary"], json.dumps(summary, indent=2, default=str) + "\n")


def is_leased(folder: Path) -> bool:
    """Whether a process is making the run in this folder now."""
    if not (folder / ".lock").exists():
        return False
    lock = FileLock(folder / ".lock")
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
    folders = {
        file.parent
        for path in paths
        for file in path.rglob(NAMES["config"])
        if (file.parent / NAMES["overrides"]).exists()
    }
    if not folders:
        raise OutputError(f"{', '.join(map(str, paths))}: no run folders. Make some with 'seqlab train'.")
    return sorted(folders, key=lambda folder: folder.name)
