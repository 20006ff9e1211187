"""The facts that a data set tells everyone: kinds, sizes, where the loss counts, what is good and what is chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from seqlab.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = -100
"""The target at a position where no prediction is asked for (PyTorch's own ``ignore_index``)."""


@dataclass(frozen=True)
class Tokens:
    """One of K symbols at each step.

    Attributes:
        size: K, the size of the vocabulary.
        symbols: how each token is written, in the order of their ids; empty where they have no text.
        separator: what stands between two written symbols.
        blank: the token that says nothing, where there is one: to predict it costs, but it is no answer.
    """

    size: int
    symbols: tuple[str, ...] = ()
    separator: str = ""
    blank: int | None = None

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

    def reaches(self, value: float, threshold: float) -> bool:
        """Whether a value is as good as a threshold."""
        return value <= threshold if self.goal == "min" else value >= threshold


LEFT = 0.01
"""How much of the way from chance to the best possible may be left where a task counts as solved.

For adding that is two orders of magnitude below the variance of the target, as Campos et al. (2018), Table 1, have it.
"""


def threshold(references: Mapping[str, float]) -> float | None:
    """Where the main metric counts as solved; ``None`` where chance or the best possible is not known."""
    if not {"chance", "best"} <= references.keys():
        return None
    chance, best = references["chance"], references["best"]
    return best + LEFT * (chance - best)


Judge = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""From inputs, outputs and targets, which of B sequences are answered right (B,).

Outputs and targets are vectors of the same shape, one-hot for symbols and classes; a target that does not count is NaN.
"""


def within(tolerance: float) -> Judge:
    """A sequence is right where the absolute error of every output that counts is below ``tolerance``."""

    def right(_: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        return (((outputs - targets).abs() < tolerance) | targets.isnan()).flatten(1).all(1)

    return right


@dataclass(frozen=True)
class Criterion:
    """When a task counts as solved: enough sequences in a row are answered right, or the main metric is good enough.

    Attributes:
        name: as it is reported: ``success``, ``st1``.
        last: how many of the last training sequences are looked at, each judged before it is learned from; ``None``
            for the whole validation set.
        wrong: how many of them may be wrong.
        error: what their mean absolute error must be below.
        score: what the main metric must reach on the validation set.
    """

    name: str
    last: int | None = None
    wrong: int = 0
    error: float = float("inf")
    score: float | None = None


@dataclass(frozen=True)
class DataSpec:
    """What a data set announces before a model is built.

    Attributes:
        inputs: the kind and size of each input.
        targets: the kind and size of each target.
        loss_at: ``"every"`` step, the ``"last"`` step, ``"masked"`` (where the target is not ``IGNORE``), or
            ``"after"`` all steps: likewise, in a sequence of its own length.
        metric: the main metric.
        references: what the main metric is on the test split for predictors that need no training, by name:
            ``chance`` (knows only the targets' law), ``best`` (the floor, where it is known), and naive forecasts.
        carried: whether a batch continues the one before it, so that the hidden state is carried over.
        by_length: whether the test sequences have many lengths, so that the main metric is also told for each.
        right: which sequences are answered right, where the published experiment says so.
        criteria: when it counts as solved; training ends when all are met.
    """

    inputs: Kind
    targets: Kind
    loss_at: Literal["every", "last", "masked", "after"]
    metric: Metric
    references: Mapping[str, float] = field(default_factory=dict)
    carried: bool = False
    by_length: bool = False
    right: Judge | None = None
    criteria: tuple[Criterion, ...] = ()

    def solved(self) -> tuple[Criterion, ...]:
        """When the task is solved: the data's own criteria, or else that validation has reached ``threshold``.

        Raises:
            ConfigError: the data do not know what chance scores, or what the best possible is.
        """
        score = threshold(self.references)
        if score is None and not self.criteria:
            raise ConfigError(
                f"the data do not know the best possible {self.metric.name}, so their task is never solved. "
                "Take data that know it, such as those of the long-term dependency suite."
            )
        return self.criteria or (Criterion("success", score=score),)
