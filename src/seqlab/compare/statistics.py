"""What a handful of seeds says about the mean, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        value: the mean.
        half_width: half of its 95 % t-interval; NaN for a single seed, which says nothing of the spread.
        n: how many seeds.
    """

    value: float
    half_width: float
    n: int


def mean(scores: Sequence[float], confidence: float = 0.95) -> Mean:
    """The mean of scores with Student's t-interval, which keeps its level at few seeds where the bootstrap does not."""
    n = len(scores)
    if n == 0:
        return Mean(math.nan, math.nan, 0)
    value = float(np.mean(scores))
    if n == 1:
        return Mean(value, math.nan, 1)
    error = float(np.std(scores, ddof=1)) / math.sqrt(n)
    return Mean(value, float(stdtrit(n - 1, (1 + confidence) / 2)) * error, n)


def written(mean: Mean) -> str:
    """``0.1573 ± 0.0021``: the mean to the precision that its interval allows, at most six decimals."""
    if mean.n == 0:
        return "-"
    if math.isnan(mean.half_width):
        return f"{mean.value:.4g}"
    scale = mean.half_width or abs(mean.value) or 1.0
    decimals = min(6, max(0, 1 - math.floor(math.log10(scale))))
    return f"{mean.value:.{decimals}f} ± {mean.half_width:.{decimals}f}"
