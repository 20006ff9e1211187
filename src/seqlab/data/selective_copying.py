"""Selective copying: say again what was not blank."""

from __future__ import annotations

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, at_least
from seqlab.errors import DataError
from seqlab.spec import IGNORE, DataSpec, Metric, Tokens


class SelectiveCopying(GeneratedData):
    """Symbols at random places among blanks, to be said in their order when the sequence ends.

    Each of T − 2n − 1 blanks stands before one of the n symbols, whichever with equal chance, so that the copy token
    follows the last symbol at once. Then come n blanks, at which the symbols are to be said; there alone the loss
    counts. With n = 3 and T = 12::

        input   a _ _ _ c _ _ b | _ _ _
        answer                    a c b

    Source: the selective-copying task of MAD (Poli et al. 2024), at K = 16, T = 256 and n = 16, after Gu & Dao (2023),
    in whose form a symbol may stand anywhere and n markers take the place of the copy token and the last blanks.

    Args:
        length: T, all steps.
        symbols: n, how many to remember.
        vocabulary_size: K, with the blank and the copy token.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: nothing to remember, no room for a blank, or an alphabet of one.
    """

    def __init__(self, length: int, symbols: int, vocabulary_size: int = 16, **sizes: int):
        super().__init__(**sizes)
        self.symbols = at_least("data.symbols", symbols, 1)
        if length <= 2 * symbols + 1:
            raise DataError(
                f"data.length={length}: {symbols} symbols, the copy token and {symbols} answers leave no blank; "
                f"it must be at least {2 * symbols + 2}."
            )
        if vocabulary_size < 4:
            raise DataError(
                f"data.vocabulary_size={vocabulary_size}: expected at least 4, with the blank and the copy token."
            )
        self.length, self.vocabulary_size = length, vocabulary_size

    def describe(self) -> DataSpec:
        """One of K tokens in at each step, and out at the last n."""
        tokens = Tokens(self.vocabulary_size, separator=" ")
        return DataSpec(
            inputs=tokens,
            targets=tokens,
            loss_at="masked",
            metric=Metric("accuracy", "max", "share of symbols"),
            references={"chance": 1 / (self.vocabulary_size - 2), "best": 1.0},
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs and targets (size, T)."""
        n, blank, copy = self.symbols, self.vocabulary_size - 2, self.vocabulary_size - 1
        said = rng.integers(0, blank, (size, n))
        blanks_before = rng.multinomial(length - 2 * n - 1, [1 / n] * n, size)
        x = np.full((size, length), blank)
        np.put_along_axis(x, blanks_before.cumsum(1) + np.arange(n), said, axis=1)
        x[:, -n - 1] = copy
        y = np.full((size, length), IGNORE)
        y[:, -n:] = said
        return torch.from_numpy(x), torch.from_numpy(y)
