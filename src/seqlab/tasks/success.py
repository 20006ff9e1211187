"""Whether a task is solved, and after how many training sequences."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import fsum
from typing import Any

from seqlab.spec import Criterion, Metric


class Success:
    """What a run has answered, held against criteria.

    Args:
        criteria: as the spec has them.
        metric: the main metric.

    Attributes:
        sequences: how many training sequences have been seen.
        met: how many they were when a criterion was met, by its name.
    """

    def __init__(self, criteria: Sequence[Criterion], metric: Metric):
        self.criteria, self.metric = criteria, metric
        self.sequences = 0
        self.met: dict[str, int] = {}
        self.wrong: deque[bool] = deque(maxlen=max((c.last for c in criteria if c.last), default=0))
        self.errors: deque[float] = deque(maxlen=self.wrong.maxlen)

    @property
    def watches(self) -> bool:
        """Whether training sequences are held against a criterion, and not only validation."""
        return bool(self.wrong.maxlen)

    @property
    def complete(self) -> bool:
        """Whether there are criteria, and all are met."""
        return bool(self.criteria) and len(self.met) == len(self.criteria)

    @property
    def solved(self) -> dict[str, int | None]:
        """For each criterion after how many sequences it was met; ``None`` if it was not."""
        return {criterion.name: self.met.get(criterion.name) for criterion in self.criteria}

    def trained(self, right: Sequence[bool], errors: Sequence[float]) -> None:
        """The sequences of a training batch were answered, each with a mean absolute error."""
        if not self.watches:
            return
        self.wrong.extend(not answer for answer in right)
        self.errors.extend(errors)
        for criterion in self.criteria:
            if criterion.last and len(self.wrong) >= criterion.last and criterion.name not in self.met:
                wrong = sum(list(self.wrong)[-criterion.last :])
                if wrong <= criterion.wrong:  # else the errors need not be summed, at each training step
                    self._judge(criterion, wrong, fsum(list(self.errors)[-criterion.last :]) / criterion.last)

    def validated(self, score: float, wrong: int, error: float) -> None:
        """What the main metric was on the validation set, how many were wrong, and their mean absolute error."""
        for criterion in self.criteria:
            good = criterion.score is None or self.metric.reaches(score, criterion.score)
            if not criterion.last and good:
                self._judge(criterion, wrong, error)

    def _judge(self, criterion: Criterion, wrong: int, error: float) -> None:
        if wrong <= criterion.wrong and error < criterion.error:
            self.met.setdefault(criterion.name, self.sequences)

    def state_dict(self) -> dict[str, Any]:
        """What a run that goes on must know."""
        return {
            "sequences": self.sequences,
            "met": dict(self.met),
            "wrong": list(self.wrong),
            "errors": list(self.errors),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.sequences, self.met = state["sequences"], dict(state["met"])
        self.wrong.extend(state["wrong"])
        self.errors.extend(state["errors"])
