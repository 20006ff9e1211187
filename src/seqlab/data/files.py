"""Files that a person names: whether they exist, hold something, and can be read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from seqlab.data.base import fingerprint
from seqlab.errors import DataError, suggestion


def quiet_datasets() -> None:
    """No bars and no warnings from the library that reads files; its errors come to us."""
    import datasets

    datasets.disable_progress_bars()
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)


def existing(files: str | Sequence[str]) -> list[Path]:
    """The files as paths.

    Raises:
        DataError: a file is missing or empty, or none is named.
    """
    paths = [Path(file).expanduser() for file in ([files] if isinstance(files, str) else files)]
    if not paths:
        raise DataError("data.files=[]: no file is named. Give at least one, or leave data.files out.")
    for path in paths:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "no such file"
            beside = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
            raise DataError(f"data.files: {path}: {what}.{suggestion(path.name, beside)}")
        if path.stat().st_size == 0:
            raise DataError(f"data.files: {path}: the file is empty.")
    return paths


def utf8(path: Path) -> bytes:
    """The bytes of a text file.

    Raises:
        DataError: they are not UTF-8.
    """
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"data.files: {path}: not UTF-8 (byte 0x{content[error.start]:02X} in line {line}). "
            f"Convert it first, as with 'iconv -f latin1 -t utf-8'."
        ) from None
    return content


def fingerprint_of(paths: Sequence[Path]) -> str:
    """A hash of the files' contents, whatever they are called."""
    return fingerprint(*(path.read_bytes() for path in paths))
