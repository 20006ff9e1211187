"""Sequences whose second-to-last step is long after the symbol that it must remember."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seqlab.data.base import Batch, GeneratedData, at_least, one_of
from seqlab.errors import DataError
from seqlab.spec import Classes, Criterion, DataSpec, Judge, Metric, Tokens, within


def at_the_end(inputs: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
    """A sequence is right where all outputs are within 0.25 at its last step."""
    return within(0.25)(inputs, outputs[:, -1], targets[:, -1])


JUDGES: dict[str, Judge] = {"a": within(0.25), "b": at_the_end, "c": within(0.2)}


class LongLag(GeneratedData):
    """Experiment 2 of Hochreiter & Schmidhuber (1997): the last symbol is the x or y of the beginning.

    ::

        a   x a1 a2 a3 … a(p−1) x             each next symbol is asked for
        b   y a7 a2 a2 … a(p−1) y             the same, with p − 1 random symbols of a1 … a(p−1)
        c   b x a3 a9 a1 … a4 e x             only the last is asked for

    In a and b there are p + 1 symbols, and x or y is remembered for p steps. In c there are p distractors and e, b, x
    and y; q + k distractors are drawn, where k more come with probability 0.1 · 0.9ᵏ, so that the lag is at least
    q + 1 and the sequence has q + 13 symbols in the mean (the paper says q + 14); those of a batch share their k.

    A sequence is right where all outputs are within 0.25 (a), are so at its last step (b), or within 0.2 (c); the task
    is solved when all of the validation set are right, 10,000 random sequences in the paper. Without memory of the
    beginning, half are wrong at best.

    Args:
        variant: ``"a"``, ``"b"`` or ``"c"``.
        length: p (a, b) or q (c).
        distractors: p in c; ``None`` for q.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: another variant, a length below 2, or distractors where the variant has none to choose.
    """

    def __init__(self, variant: str, length: int, distractors: int | None = None, **sizes: int):
        super().__init__(**sizes)
        self.variant = one_of("data.variant", variant, JUDGES)
        self.length = at_least("data.length", length, 2)
        if distractors is not None and (variant != "c" or distractors < 1):
            raise DataError(
                f"data.distractors={distractors}: expected at least 1 with data.variant=c, and null with a or b, where "
                "data.length says how many there are."
            )
        self.distractors = distractors or length if variant == "c" else length - 1

    def describe(self) -> DataSpec:
        """One of the symbols in; the next symbol at every step, or the last as one of two classes."""
        others = ("e", "b") if self.variant == "c" else ()
        names = (*(f"a{i + 1}" for i in range(self.distractors)), *others, "x", "y")
        symbols = Tokens(len(names), names, separator=" ")
        return DataSpec(
            inputs=symbols,
            targets=Classes(2) if self.variant == "c" else symbols,
            loss_at="last" if self.variant == "c" else "every",
            metric=Metric("wrong", "min", "share of sequences"),
            references={"chance": 0.5, "best": 0.0},
            right=JUDGES[self.variant],
            criteria=(Criterion("success", wrong=0),),
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Symbols (size, T), and the symbols that come next (size, T) or classes (size,); ``length`` is p or q."""
        is_y = rng.integers(0, 2, (size, 1))
        if self.variant == "c":
            k = rng.geometric(0.1) - 1
            a = rng.integers(0, self.distractors, (size, length + k))
            e, b, x = (np.full((size, 1), self.distractors + i) for i in range(3))
            return torch.from_numpy(np.concatenate([b, x + is_y, a, e], axis=1)), torch.from_numpy(is_y[:, 0])
        if self.variant == "a":
            a = np.tile(np.arange(self.distractors), (size, 1))
        else:
            a = rng.integers(0, self.distractors, (size, self.distractors))
        ends = self.distractors + is_y
        symbols = torch.from_numpy(np.concatenate([ends, a, ends], axis=1))
        return symbols[:, :-1], symbols[:, 1:]
