"""The temporal order problem: which relevant symbols came, and in which order."""

from __future__ import annotations

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, at_least, one_of
from seqlab.spec import Classes, Criterion, DataSpec, Metric, Tokens, within

SYMBOLS = "EBabcdXY"
PLACES = {
    "a": ((10, 20), (50, 60)),
    "b": ((10, 20), (33, 43), (66, 76)),
}
"""Between which hundredths of the length T each relevant symbol lies."""


class TemporalOrder(GeneratedData):
    """Experiment 6 of Hochreiter & Schmidhuber (1997).

    A sequence begins with E and ends with B; between them are random a, b, c and d, and at two places (variant a) or
    three (b) an X or a Y. The class is their order, XX, XY, YX, YY or XXX … YYY, asked for at the end::

        E a d X c b b Y d a B  →  XY, class 1

    With steps counted from 1, a relevant symbol is at t ∈ [T/10, T/5] or [T/2, 3T/5]; in variant b at t ∈ [T/10, T/5],
    [33T/100, 43T/100] or [66T/100, 76T/100]. The length is any of T … T + T/10. A sequence is right where all outputs
    are within 0.3 of the class; solved is the task when 2000 sequences in a row were right, with a mean absolute error
    below 0.1. One class for all is wrong in 3 of 4 sequences, or 7 of 8.

    Args:
        variant: ``"a"`` or ``"b"``.
        length: T; 100 in the paper.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: another variant, or a length below 20.
    """

    spread = 10

    def __init__(self, variant: str, length: int, **sizes: int):
        super().__init__(**sizes)
        self.places = PLACES[one_of("data.variant", variant, PLACES)]
        self.length = at_least("data.length", length, 20)

    def describe(self) -> DataSpec:
        """One of eight symbols in, one of four or eight classes out at the last step."""
        classes = 2 ** len(self.places)
        return DataSpec(
            inputs=Tokens(len(SYMBOLS), tuple(SYMBOLS)),
            targets=Classes(classes),
            loss_at="last",
            metric=Metric("wrong", "min", "share of sequences"),
            references={"chance": 1 - 1 / classes, "best": 0.0},
            right=within(0.3),
            criteria=(Criterion("success", last=2000, wrong=0, error=0.1),),
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Symbols (size, length) and classes (size,)."""
        x = rng.integers(SYMBOLS.index("a"), SYMBOLS.index("X"), (size, length))
        x[:, 0], x[:, -1] = SYMBOLS.index("E"), SYMBOLS.index("B")
        target = np.zeros(size, dtype=np.int64)
        for first, last in self.places:
            steps = rng.integers(first * self.length // 100, last * self.length // 100, size, endpoint=True)
            is_y = rng.integers(0, 2, size)
            x[np.arange(size), steps - 1] = SYMBOLS.index("X") + is_y
            target = 2 * target + is_y
        return torch.from_numpy(x), torch.from_numpy(target)
