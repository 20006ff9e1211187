"""One run: its frozen configuration, its folder, its lease, and the facts that it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from filelock import Timeout

from seqlab import durable, lines
from seqlab.errors import Busy, OutputError
from seqlab.identity import digest
from seqlab.ledger import NAMES, Status, lock_of, status

PATIENCE = 1.0
"""Seconds for which a lease that is held is asked for again: whoever looks at a lock holds it for a moment."""


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
        lock = lock_of(self.folder)
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

    def reads_test(self) -> int:
        """Record that the test set is read now, and return how often it has been. Only under the lease."""
        told = self.folder / NAMES["tests"]
        lines.append(told, [{"began": datetime.now(UTC).isoformat(timespec="seconds")}])
        return len(lines.read(told))

    def conclude(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, the last thing that a run does. Only under the lease."""
        durable.write(self.folder / NAMES["summary"], json.dumps(summary, indent=2, default=str) + "\n")
        (self.folder / NAMES["progress"]).unlink(missing_ok=True)


def _read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _written(value: Any) -> str:
    return yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
