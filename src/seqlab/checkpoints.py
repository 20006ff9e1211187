"""Checkpoints on the disk: written whole, read without running code, and the previous one kept."""

from __future__ import annotations

import io
import logging
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from seqlab import durable
from seqlab.errors import OutputError, SeqlabError

log = logging.getLogger(__name__)

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
"""The checkpoint chosen on validation; where to go on from; and the one before that."""


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning writes and reads checkpoints here.

    What cannot be written, for want of room, is kept in memory and tried again before the next one is written, in the
    order in which it came: ``last.ckpt`` says which checkpoint is the best, so it must never be newer than that.
    """

    def __init__(self) -> None:
        self.waiting: dict[Path, bytes] = {}
        self.fault: OSError | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint, or keep it until that is possible."""
        self.waiting.pop(Path(path), None)
        self.waiting[Path(path)] = _written(checkpoint)
        self.write()

    def write(self) -> None:
        """Write what waits to be written; what cannot be goes on waiting, and the person is told once."""
        try:
            while self.waiting:
                path, content = next(iter(self.waiting.items()))
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.name == LAST:
                    durable.write_keeping(path, path.with_name(PREVIOUS), content)
                else:
                    durable.write(path, content)
                del self.waiting[path]
        except OSError as error:
            if self.fault is None:
                log.warning("%s cannot be written (%s). Training goes on, and it is tried again.", path, error.strerror)
            self.fault = error
            return
        if self.fault is not None:
            log.info("Checkpoints are written again.")
        self.fault = None

    def settle(self) -> None:
        """Write what still waits, or give up.

        Raises:
            SeqlabError: it cannot be written now either.
        """
        self.write()
        if self.waiting:
            names = ", ".join(str(path) for path in self.waiting)
            assert self.fault is not None
            raise SeqlabError(
                f"{names} cannot be written ({self.fault.strerror}). What was written before is whole: make room, and "
                "the same command goes on from there."
            )

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint."""
        return read(Path(path))


def write(path: Path, checkpoint: Mapping[str, Any]) -> None:
    """Write one checkpoint, whole.

    Raises:
        OSError: it cannot be written.
    """
    durable.write(path, _written(checkpoint))


def _written(checkpoint: Mapping[str, Any]) -> bytes:
    content = io.BytesIO()
    torch.save(dict(checkpoint), content)
    return content.getvalue()


def newest(folder: Path) -> Path | None:
    """The newest whole checkpoint to go on from in a ``checkpoints`` folder; ``None`` where there is none."""
    for name in (LAST, PREVIOUS):
        path = folder / name
        if is_whole(path):
            return path
        if path.exists():
            other = (
                "the one before it is taken" if name == LAST and (folder / PREVIOUS).exists() else "it is left aside"
            )
            log.warning("%s is damaged (%s bytes); %s.", path, f"{path.stat().st_size:,}", other)
    return None


def is_whole(path: Path) -> bool:
    """Whether a file is there, and all its parts have the checksums that they were written with."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
        return False


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors, numbers, texts, lists and mappings.

    Raises:
        OutputError: it is damaged, or it holds code, which is never run.
    """
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:
        raise OutputError(
            f"{path}: refused, since it holds more than tensors, numbers and texts, and loading it could run code. "
            "Remove it, or take one that seqlab wrote."
        ) from None
    except (OSError, RuntimeError, EOFError, KeyError) as error:
        raise OutputError(
            f"{path}: cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__}). "
            "Remove the run's folder, and the same command makes the run anew."
        ) from None


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """``threads: 1 → 2, torch: 2.12 → 2.13``, for whatever differs; empty where nothing does."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name}: {before.get(name)} → {now.get(name)}" for name in names)
