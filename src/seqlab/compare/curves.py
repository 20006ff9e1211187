"""How a measure went on the validation set as runs learned, and when it first reached a threshold."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from scipy.stats import CensoredData, ecdf

from seqlab.compare.read import Record
from seqlab.ledger import NAMES

AXES = {"steps": "step", "tokens": "train/tokens", "seconds": "train/seconds"}
"""What a curve may be drawn against, and the columns of ``metrics.csv`` that tell it."""


@dataclass(frozen=True)
class Curve:
    """A measure on the validation set, from one validation to the next.

    Attributes:
        ended: whether the run is finished.
        values: what was measured.
        at: for each of ``AXES`` that the run tells, what it had taken by then.
    """

    ended: bool
    values: Sequence[float]
    at: Mapping[str, Sequence[float]]

    def reached(self, threshold: float, sign: int, axis: str) -> float | None:
        """Where it first was at the threshold or better; ``None`` where it never was."""
        found = (x for x, value in zip(self.at[axis], self.values, strict=True) if sign * (threshold - value) >= 0)
        return next(found, None)


def curve(record: Record, metric: str) -> Curve:
    """The curve of a run, finished or not; an empty one where it has not been validated."""
    rows = _validations(record, f"val/{metric}")
    told = [axis for axis, column in AXES.items() if rows and all(row.get(column) for row in rows)]
    first = {"steps": 1}  # Lightning counts from 0
    at = {axis: [float(row[AXES[axis]]) + first.get(axis, 0) for row in rows] for axis in told}
    return Curve(record.finished, [float(row[f"val/{metric}"]) for row in rows], at)


def _validations(record: Record, column: str) -> list[dict[str, str]]:
    try:
        with (record.run.folder / NAMES["metrics"]).open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if row.get(column)]
    except OSError:
        return []


@dataclass(frozen=True)
class Reach:
    """When the runs of one experiment first reached a threshold, those that never did among them.

    Attributes:
        reached: where each that did so did.
        ended: where each that never did ended.
    """

    reached: Sequence[float]
    ended: Sequence[float]

    @property
    def n(self) -> int:
        """How many runs are known."""
        return len(self.reached) + len(self.ended)

    @cached_property
    def median(self) -> float:
        """Where half of all runs have reached it (Kaplan & Meier 1958); infinite where fewer did."""
        if not self.reached:
            return math.inf
        left = ecdf(CensoredData(uncensored=self.reached, right=self.ended)).sf
        return next((float(x) for x, p in zip(left.quantiles, left.probabilities, strict=True) if p <= 0.5), math.inf)

    def __str__(self) -> str:
        """``1,250``; ``1,250 (4/5)``, or ``> 3,000 (1/5)``, where some never reached it."""
        if not self.n:
            return "-"
        longest = max([*self.reached, *self.ended])
        told = f"{self.median:,.0f}" if math.isfinite(self.median) else f"> {longest:,.0f}"
        return f"{told} ({len(self.reached)}/{self.n})" if self.ended else told


def reach(curves: Sequence[Curve], threshold: float, sign: int, axis: str) -> Reach:
    """When the runs with some curves first reached a threshold.

    Args:
        curves: of the runs that ended.
        threshold: on the measure.
        sign: 1 where less is better, -1 where more is.
        axis: against which of ``AXES``.
    """
    known = [(curve.at[axis][-1], curve.reached(threshold, sign, axis)) for curve in curves if axis in curve.at]
    return Reach([at for _, at in known if at is not None], [last for last, at in known if at is None])
