"""Files that a person asked for by name."""

from __future__ import annotations

from pathlib import Path

from seqlab import durable
from seqlab.errors import OutputError


def save(path: Path, text: str, said: str) -> None:
    """Write a file whole, and say where it is.

    Args:
        path: of the file.
        text: its content.
        said: what stands before its path.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        durable.write(path, text)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}). Choose another place.") from None
    print(f"{said}: {path}")
