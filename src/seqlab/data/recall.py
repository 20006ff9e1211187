"""Associative recall: say what a key was paired with."""

from __future__ import annotations

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData
from seqlab.errors import DataError
from seqlab.spec import IGNORE, DataSpec, Metric, Tokens


class Recall(GeneratedData):
    """Multi-query associative recall (MQAR): keys with their values, and then each key once more.

    A sequence begins with n pairs of a key and its value. Then each key is asked for once, at an even distance of
    2(g − 1) steps from the end of the pairs, g drawn without replacement with P(g) ∝ g^(a − 1); there alone the loss
    counts, and the answer is the key's value. All other steps are noise from the whole vocabulary. With n = 2 and the
    noise as ``·``::

        input   a 1 b 2 b · a · · ·
        answer          2   1

    Of the K tokens, 1 … K/2 − 1 are keys and K/2 … K − 1 are values; neither repeats within the pairs.

    Source: Arora et al. (2023), "Zoology", at K = 8192 and (T, n) from (64, 4) to (512, 64) with a = 0.01.

    Args:
        length: T, all steps; even.
        pairs: n.
        vocabulary_size: K.
        power: a; at 1 a query is as likely anywhere, near 0 most come soon.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: the pairs and their queries do not fit into T steps, or T not below K; T is odd; a is not above 0.
    """

    def __init__(self, length: int, pairs: int, vocabulary_size: int, power: float = 0.01, **sizes: int):
        super().__init__(**sizes)
        if pairs < 1 or length < 4 * pairs or length % 2:
            raise DataError(
                f"data.length={length}, data.pairs={pairs}: expected at least 1 pair and an even length of at least "
                "4 for each."
            )
        if vocabulary_size <= length:
            raise DataError(f"data.vocabulary_size={vocabulary_size}: expected more than data.length={length}.")
        if power <= 0:
            raise DataError(f"data.power={power}: expected a number above 0.")
        self.length, self.pairs, self.vocabulary_size, self.power = length, pairs, vocabulary_size, power

    def describe(self) -> DataSpec:
        """One of K tokens in at each step, and out at the queries."""
        tokens = Tokens(self.vocabulary_size, separator=" ")
        values = self.vocabulary_size - self.vocabulary_size // 2
        return DataSpec(
            inputs=tokens,
            targets=tokens,
            loss_at="masked",
            metric=Metric("accuracy", "max", "share of queries"),
            references={"chance": 1 / values, "any value of the sequence": 1 / self.pairs, "best": 1.0},
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs and targets (size, T)."""
        n, K = self.pairs, self.vocabulary_size
        keys = 1 + _without_replacement(rng, np.ones(K // 2 - 1), size, n)
        values = K // 2 + _without_replacement(rng, np.ones(K - K // 2), size, n)
        gaps = _without_replacement(rng, np.arange(1.0, length // 2 - n + 1) ** (self.power - 1), size, n)
        x, y = rng.integers(0, K, (size, length)), np.full((size, length), IGNORE)
        x[:, 0 : 2 * n : 2], x[:, 1 : 2 * n : 2] = keys, values
        np.put_along_axis(x, 2 * (n + gaps), keys, axis=1)
        np.put_along_axis(y, 2 * (n + gaps), values, axis=1)
        return torch.from_numpy(x), torch.from_numpy(y)


def _without_replacement(rng: np.random.Generator, weights: np.ndarray, size: int, n: int) -> np.ndarray:
    """Places (size, n), drawn one after the other in proportion to their weights: the n greatest of log w + Gumbel."""
    scores = np.log(weights) + rng.gumbel(size=(size, len(weights)))
    return np.argsort(-scores, axis=1)[:, :n]
