"""The four idx files of MNIST, gzipped or not (LeCun, Cortes & Burges 1998)."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from seqlab.data import files as named
from seqlab.errors import DataError

PARTS = {"train": "train", "test": "t10k"}
"""The two parts, and how the names of their files begin."""

WANTED = ", ".join(f"{part}-{what}-ubyte" for part in PARTS.values() for what in ("images-idx3", "labels-idx1"))
GZIP = b"\x1f\x8b"


def read_folder(folder: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images (n, height, width) and labels (n,) of the train and the test part, both uint8.

    Raises:
        DataError: no such folder or file, a file that is not what its name says, or not as many labels as images.
    """
    path = named.existing_folder(folder, f"MNIST's files {WANTED}, each with .gz or without")
    parts = {}
    for part, begins in PARTS.items():
        images = read(_file(path, f"{begins}-images-idx3-ubyte"), 3)
        labels = read(_file(path, f"{begins}-labels-idx1-ubyte"), 1)
        if len(images) != len(labels):
            raise DataError(f"data.folder={folder}: {len(images):,} {begins} images and {len(labels):,} labels.")
        parts[part] = images, labels
    return parts


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"data.folder={folder}: neither {name} nor {name}.gz is there. Expected MNIST's files {WANTED}.")


def read(path: Path, dimensions: int) -> np.ndarray:
    """The array of unsigned bytes in an idx file.

    The file starts with the bytes 0, 0, 8 (unsigned bytes) and the number of dimensions, then has the size of each as
    four bytes, the highest first, and then the array in row-major order.

    Raises:
        DataError: another start, or fewer or more bytes than the sizes say.
    """
    content = path.read_bytes()
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: a damaged gzip file ({error}). Get it again.") from error
    magic, body = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions
    if content[:4] != magic:
        raise DataError(f"{path}: starts with 0x{content[:4].hex()}; expected 0x{magic.hex()}, as an idx file does.")
    sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, body, 4)]
    if len(content) != body + math.prod(sizes):
        shape = " × ".join(map(str, sizes))
        raise DataError(f"{path}: {len(content):,} bytes; {shape} need {body + math.prod(sizes):,}. Get it again.")
    return np.frombuffer(content, np.uint8, offset=body).reshape(sizes)
