"""Sequences as rows of memory, as C sees them, and their shares among threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

R = TypeVar("R")
FEWEST = 4
"""How many sequences a thread gets at least."""


def at(part: Tensor, row: int = 0) -> int:
    """Where a row of a contiguous tensor (…, B, H) lies in memory."""
    return part.data_ptr() + row * part.shape[-1] * part.element_size()


def shared(B: int, run: Callable[[int, int], R]) -> list[tuple[int, int, R]]:
    """Run over all sequences: each thread's first, how many it has, and what it returned."""
    n = max(1, min(torch.get_num_threads(), B // FEWEST))
    shares = [(first, end - first) for first, end in pairwise(B * i // n for i in range(n + 1))]
    made = [run(*share) for share in shares] if n == 1 else _threads(n).map(run, *zip(*shares, strict=True))
    return [(*share, result) for share, result in zip(shares, made, strict=True)]


@cache
def _threads(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n)
