"""Images as sequences: read pixel by pixel or row by row, and say at the end what is seen."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Literal, get_args

import numpy as np
import torch

from seqlab.data import files as named
from seqlab.data import idx
from seqlab.data.base import SPLITS, ArrayData, Batch, Split, fingerprint, one_of, only_with
from seqlab.data.split import SHARES, held_out
from seqlab.errors import DataError
from seqlab.spec import Classes, DataSpec, Metric, Reals

By = Literal["pixel", "row"]
Labelled = tuple[np.ndarray, np.ndarray]
"""Images (n, height, width, channels) and their labels (n,)."""

PERMUTATION = 2015
"""The seed of the order of permuted pixels, by NumPy's ``default_rng``."""

MNIST_VAL = 1 / 12
"""The share of MNIST's training part that selects the model, from its end: 5,000 of 60,000."""


class Images(ArrayData):
    """Images as sequences, with the class asked for after the last pixel (Le, Jaitly & Hinton 2015).

    Pixels are read row by row from the top left, one at a time or a whole row at a time, and divided by the greatest
    of the training part, so they lie between 0 and 1. An image of 2 × 2 pixels::

        1 2        pixel    1, 2, 3, 4             row    (1, 2), (3, 4)
        3 4

    Without ``folder`` and ``name`` it is the 8 × 8 digits that scikit-learn carries: 1,797 images by 13 people, a fifth
    of each class for the test; who wrote which is not told. MNIST has 55,000 images to learn from, the last 5,000 of
    its training part for validation, and its own 10,000 for the test.

    Args:
        batch_size: B.
        seed: of the order of training batches; the split and the permutation are the same for all seeds.
        by: what a step reads: a ``"pixel"`` or a ``"row"``.
        permuted: whether the pixels come in one random order, the same for every image.
        pool: side of the squares that are averaged into one pixel, before anything else; 1 for none.
        folder: a folder with the four idx files of MNIST, or of a data set that is made like it.
        name: a data set of the Hugging Face hub, or a folder of one.
        config: which configuration of that data set.
        image: its column of images.
        label: its column of labels, numbers or text.
        workers: as ``SequenceData`` has them.

    Raises:
        DataError: no such folder, file or column, a file that is damaged, images of different sizes, a single label or
            one that training has not, a size that cannot be pooled, or a column of no ``name``.
    """

    def __init__(
        self,
        batch_size: int,
        seed: int,
        by: By = "pixel",
        permuted: bool = False,
        pool: int = 1,
        folder: str | None = None,
        name: str | None = None,
        config: str | None = None,
        image: str = "image",
        label: str = "label",
        workers: int = 0,
    ):
        super().__init__(batch_size, seed, workers)
        if folder is not None and name is not None:
            raise DataError(f"data.folder={folder} and data.name={name}: give one of the two.")
        if name is None:
            only_with("data.name", "data.config", config, None)
            only_with("data.name", "data.image", image, "image")
            only_with("data.name", "data.label", label, "label")
        self.by = one_of("data.by", by, get_args(By))
        self.permuted, self.pool = permuted, pool
        self.folder, self.name, self.config, self.columns = folder, name, config, {"image": image, "label": label}

    def arrays(self) -> dict[Split, Batch]:
        """Sequences (n, T, D) of reals, and classes (n,)."""
        parts = _cut(self._parts())
        names = np.unique(parts["train"][1])
        if len(names) < 2:
            raise DataError(f"data.label: every training image has the label {names[0]}, so there is nothing to learn.")
        sizes = {images.shape[1:] for images, _ in parts.values()}
        if len(sizes) > 1:
            raise DataError(f"data: images of different sizes: {_sizes(sizes)}. Make them alike first.")
        y = {split: _classes(labels, names, split) for split, (_, labels) in parts.items()}
        x = {split: self._sequences(images) for split, (images, _) in parts.items()}
        greatest = x["train"].max()
        if greatest <= 0:
            raise DataError("data.image: every training pixel is 0, so there is nothing to see.")
        for pixels in x.values():
            pixels /= greatest
        self.fingerprint = fingerprint(*x.values(), *y.values())
        self.spec = DataSpec(
            inputs=Reals(x["train"].shape[-1]),
            targets=Classes(len(names)),
            loss_at="last",
            metric=Metric("accuracy", "max", "share of images"),
            references=_references(x, y),
        )
        return {split: (torch.from_numpy(x[split]), torch.from_numpy(y[split])) for split in SPLITS}

    def _parts(self) -> dict[Split, Labelled]:
        """The splits that the source has; train is always one."""
        if self.folder is not None:
            read = idx.read_folder(self.folder)
            (images, labels), (test_images, test_labels) = read["train"], read["test"]
            stop = len(labels) - round(MNIST_VAL * len(labels))
            return {
                "train": (images[:stop, ..., None], labels[:stop]),
                "val": (images[stop:, ..., None], labels[stop:]),
                "test": (test_images[..., None], test_labels),
            }
        if self.name is not None:
            return self._from_hub(self.name)
        from sklearn.datasets import load_digits

        digits = load_digits()
        return {"train": (digits.images[..., None], digits.target)}

    def _from_hub(self, name: str) -> dict[Split, Labelled]:
        from datasets import Image

        parts = named.from_hub(name, self.config, self.columns)
        image, label = self.columns.values()
        if isinstance(parts["train"].features[image], Image) and find_spec("PIL") is None:
            raise DataError(
                f"data.name={name}: to read its images needs Pillow. Install it: pip install 'seqlab[images]'"
            )
        return {split: (_stacked(part[image], name), np.array(part[label])) for split, part in parts.items()}

    def _sequences(self, images: np.ndarray) -> np.ndarray:
        """Images (n, height, width, channels) as (n, T, D), each step a pixel's channels or a row's pixels."""
        n, height, width, channels = images.shape
        side = self.pool
        if height % side or width % side:
            raise DataError(f"data.pool={side}: images of {height} × {width} pixels are not made of such squares.")
        squares = images.reshape(n, height // side, side, width // side, side, channels)
        pixels = squares.mean((2, 4), dtype=np.float32).reshape(n, -1, channels)
        if self.permuted:
            pixels = pixels[:, np.random.default_rng(PERMUTATION).permutation(pixels.shape[1])]
        return pixels if self.by == "pixel" else pixels.reshape(n, height // side, -1)


def _stacked(images: Iterable, name: str) -> np.ndarray:
    """Images (n, height, width, channels) of a column of Pillow's images, or of nested lists of numbers."""
    arrays = [np.asarray(image) for image in images]
    sizes = {array.shape for array in arrays}
    if len(sizes) > 1:
        raise DataError(f"data.name={name}: images of different sizes: {_sizes(sizes)}. Make them alike first.")
    stacked = np.stack(arrays)
    if stacked.ndim not in (3, 4) or stacked.dtype == object:
        raise DataError(f"data.name={name}: an image is an array of {_sizes(sizes)}; expected height × width.")
    return stacked if stacked.ndim == 4 else stacked[..., None]


def _sizes(sizes: Iterable[tuple[int, ...]]) -> str:
    return ", ".join(" × ".join(map(str, size)) for size in sorted(sizes)[:3])


def _cut(parts: dict[Split, Labelled]) -> dict[Split, Labelled]:
    """All three splits; one that the source has not is held out of train."""
    for split, share in SHARES:
        if split not in parts:
            images, labels = parts["train"]
            out = held_out(labels, share)
            parts = {**parts, "train": (images[~out], labels[~out]), split: (images[out], labels[out])}
    return parts


def _classes(labels: np.ndarray, names: np.ndarray, split: Split) -> np.ndarray:
    """The place of each label among the names."""
    unknown = sorted(set(labels.tolist()) - set(names.tolist()))
    if unknown:
        raise DataError(f"data.label: the {split} part has the label {unknown[0]}, which no training image has.")
    return np.searchsorted(names, labels)


def _references(x: dict[Split, np.ndarray], y: dict[Split, np.ndarray]) -> dict[str, float]:
    """Always the most frequent class, and the class whose mean image is nearest."""
    flat = {split: pixels.reshape(len(pixels), -1) for split, pixels in x.items()}
    counts = np.bincount(y["train"])
    means = np.stack([flat["train"][y["train"] == c].mean(0) for c in range(len(counts))])
    nearest = (np.square(means).sum(1) - 2 * flat["test"] @ means.T).argmin(1)
    return {
        "chance": float((y["test"] == counts.argmax()).mean()),
        "nearest_mean": float((y["test"] == nearest).mean()),
    }
