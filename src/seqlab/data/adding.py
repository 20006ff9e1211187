"""The adding problem: remember two numbers among many, and add them."""

from __future__ import annotations

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, at_least, one_of
from seqlab.spec import DataSpec, Metric, Reals

FORMS = ("urnn", "tcn")


class Adding(GeneratedData):
    """The adding problem of the last decade, after Hochreiter & Schmidhuber (1997).

    Each step has a value, drawn from U[0, 1], and a mark. Two steps are marked 1; the target, at the last step, is the
    sum of their values. To answer the constant 1 costs 2 · 1/12 = 1/6, whatever the marks::

        value  0.3  0.9  0.5  0.1  0.7  0.2
        mark   0    1    0    0    0    1        target 0.9 + 0.2 = 1.1

    The forms differ in the marks: ``urnn`` has one in the first half and one in the second (Arjovsky, Shah & Bengio
    2016; also Tallec & Ollivier 2018), ``tcn`` two anywhere (Bai, Kolter & Koltun 2018).

    Args:
        length: T, the number of steps.
        form: whose marks.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: an unknown form, or a length below 2, which has no two steps to mark.
    """

    def __init__(self, length: int, form: str = "urnn", **sizes: int):
        super().__init__(**sizes)
        self.length = at_least("data.length", length, 2)
        self.form = one_of("data.form", form, FORMS)

    def describe(self) -> DataSpec:
        """Two reals in, one real out at the last step."""
        return DataSpec(
            inputs=Reals(2),
            targets=Reals(1),
            loss_at="last",
            metric=Metric("mse", "min", "squared units"),
            references={"chance": 1 / 6, "best": 0.0},
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs (size, T, 2) and targets (size, 1)."""
        x = np.zeros((size, length, 2), dtype=np.float32)
        x[:, :, 0] = rng.random((size, length), dtype=np.float32)
        for marked in self._marked(rng, size, length):
            x[np.arange(size), marked, 1] = 1
        target = (x[:, :, 0] * x[:, :, 1]).sum(1, keepdims=True)
        return torch.from_numpy(x), torch.from_numpy(target)

    def _marked(self, rng: np.random.Generator, size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The two marked steps of each sequence."""
        if self.form == "tcn":
            first = rng.integers(0, length, size)
            return first, (first + rng.integers(1, length, size)) % length
        half = length // 2
        return rng.integers(0, half, size), rng.integers(half, length, size)
