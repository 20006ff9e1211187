"""Files that a person names: whether they exist, hold something, and can be read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.data.base import Split, fingerprint
from seqlab.errors import DataError, suggestion

if TYPE_CHECKING:
    from datasets import Dataset

HUB_SPLITS: dict[str, Split] = {"train": "train", "validation": "val", "test": "test"}
"""What the hub calls each split, and what we do."""


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
    given = [files] if isinstance(files, str | int | float) else files
    paths = [Path(str(file)).expanduser() for file in given]  # a name such as 2024 comes as a number
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


def existing_folder(folder: str, holds: str) -> Path:
    """A folder as a path.

    Raises:
        DataError: there is none; the message says what it should hold.
    """
    path = Path(str(folder)).expanduser()  # a name such as 2024 comes as a number
    if not path.is_dir():
        what = "is a file" if path.is_file() else "no such folder"
        raise DataError(f"data.folder={folder}: {what}. Give one that holds {holds}.")
    return path


def from_hub(name: str, config: str | None, columns: Mapping[str, str]) -> dict[Split, Dataset]:
    """Some columns of a data set of the Hugging Face hub, or of a folder of one, by our names of its splits.

    Args:
        name: the data set or the folder.
        config: which configuration of it.
        columns: the wanted columns by the key that names each: ``{"column": "text"}`` for ``data.column=text``.

    Raises:
        DataError: it cannot be loaded, or has no train split or no such column.
    """
    import datasets

    quiet_datasets()
    try:
        loaded = datasets.load_dataset(name, config)
    except Exception as error:
        cause = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"data.name={name}: cannot be loaded ({cause})") from error
    if "train" not in loaded:
        raise DataError(f"data.name={name}: no train split. It has: {', '.join(loaded)}.")
    known = loaded["train"].column_names
    for key, column in columns.items():
        if column not in known:
            raise DataError(f"data.{key}={column}: {name} has no such column. It has: {', '.join(known)}.")
    chosen = loaded.select_columns(list(columns.values()))
    return {ours: chosen[theirs] for theirs, ours in HUB_SPLITS.items() if theirs in chosen}


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
