"""Files that are the old one or the new one, whole, whatever kills the process that writes them."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: bytes | str) -> None:
    """Write a file in its own folder, flush it to the disk, and only then give it its name.

    A temporary folder may lie on another file system, where a rename is a copy that can be killed half-way; the
    file's own folder cannot. The scratch name is fixed, so a process that is killed leaves one scratch file at most;
    whoever writes must therefore hold the folder alone.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    scratch = _scratch(path, content)
    os.replace(scratch, path)
    _sync(path.parent)


def write_keeping(path: Path, previous: Path, content: bytes) -> None:
    """Like ``write``, but what was there before is there still, as ``previous``.

    A process killed between the two renames leaves ``previous`` alone, which is then the newest whole file.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    scratch = _scratch(path, content)
    if path.exists():
        os.replace(path, previous)
    os.replace(scratch, path)
    _sync(path.parent)


def _scratch(path: Path, content: bytes | str) -> Path:
    """The content on the disk under a scratch name beside ``path``; nothing is left behind where that fails."""
    scratch = path.with_name(f".{path.name}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        scratch.unlink(missing_ok=True)
        raise
    return scratch


def _sync(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
