"""The facts that a data set tells everyone: kinds, sizes, where the loss counts, what is good and what is chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

IGNORE = -100
"""The target at a position where no prediction is asked for (PyTorch's own ``ignore_index``)."""


@dataclass(frozen=True)
class Tokens:
    """One of K symbols at each step.

    Attributes:
        size: K, the size of the vocabulary.
        symbols: how each token is written, in the order of their ids; empty where they have no text.
        separator: what stands between two written symbols.
    """

    size: int
    symbols: tuple[str, ...] = ()
    separator: str = ""

    def write(self, ids: list[int]) -> str:
        """The text of a sequence of token ids; ids that no prediction was asked for are left out."""
        return self.separator.join(self.symbols[i] if self.symbols else str(i) for i in ids if i != IGNORE)


@dataclass(frozen=True)
class Reals:
    """A real vector at each step.

    Attributes:
        size: D, the number of components.
        offset: added to a scaled value to return to the data's own unit.
        scale: multiplied with a scaled value, before ``offset``.
    """

    size: int
    offset: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Classes:
    """One of C classes for a whole sequence."""

    size: int


Kind = Tokens | Reals | Classes


@dataclass(frozen=True)
class Metric:
    """The number by which runs on this data set are compared.

    Attributes:
        name: as it is logged after the split: ``test/<name>``.
        goal: ``"min"`` where less is better, ``"max"`` where more is.
        unit: as a person reads it: ``bits``, ``log-return``, ``share of pairs``.
    """

    name: str
    goal: Literal["min", "max"]
    unit: str


@dataclass(frozen=True)
class DataSpec:
    """What a data set announces before a model is built.

    Attributes:
        inputs: the kind and size of each input.
        targets: the kind and size of each target.
        loss_at: ``"every"`` step, the ``"last"`` step, or ``"masked"`` (where the target is not ``IGNORE``).
        metric: the main metric.
        references: what the main metric is on the test split for predictors that need no training, by name:
            ``chance`` (knows only the targets' law), ``best`` (the floor, where it is known), and naive forecasts.
        carried: whether a batch continues the one before it, so that the hidden state is carried over.
    """

    inputs: Kind
    targets: Kind
    loss_at: Literal["every", "last", "masked"]
    metric: Metric
    references: Mapping[str, float] = field(default_factory=dict)
    carried: bool = False
