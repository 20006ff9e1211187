"""What all scans in C have in common: what keeps them away, rows of memory, panels, and each thread's share."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from seqlab.cells.base import Engine
from seqlab.native import Unavailable

R = TypeVar("R")
FEWEST = 4
"""How many sequences a thread gets at least."""


def obstacle(like: Tensor, scans: Callable[[], object]) -> str:
    """What keeps numbers of this type, on this device, from scans in C; empty if nothing does.

    Args:
        like: such numbers.
        scans: gets the scans, or raises ``Unavailable``.
    """
    if like.device.type != "cpu" or like.dtype != torch.float32:
        name = str(like.dtype).removeprefix("torch.")
        return f"it computes in float32 on a CPU, and not in {name} on {like.device.type}"
    try:
        scans()
    except Unavailable as error:
        return str(error)
    return ""


def engine(why: str) -> Engine:
    """What computes where scans in C have an obstacle, or none."""
    return (
        Engine("torch", f"native is not to be had: {why}")
        if why
        else Engine("native", "the fastest that there is here")
    )


class Panels:
    """Matrices as ``tiles.h`` reads them, made by a library that includes it."""

    def __init__(self, library: ctypes.CDLL):
        self.library = library
        pointer, number, flag = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        library.panel_size.argtypes, library.panel_size.restype = [number] * 2, number
        library.pack.argtypes, library.pack.restype = [pointer] * 2 + [number] * 2 + [flag], None

    def __call__(self, M: Tensor) -> Tensor:
        """Those of a matrix (K, N), or of each of R matrices (R, K, N), in a row for each.

        A matrix is contiguous, or the transpose of one that is.
        """
        matrices = M if M.dim() == 3 else M[None]
        R, K, N = matrices.shape
        panels = M.new_empty(R, self.library.panel_size(K, N))
        for net, matrix in enumerate(matrices):
            self.library.pack(at(matrix), at(panels, net), K, N, not matrix.is_contiguous())
        return panels


def at(part: Tensor, row: int = 0) -> int:
    """Where a row of a contiguous tensor (…, B, H) lies in memory."""
    return part.data_ptr() + row * part.shape[-1] * part.element_size()


def shared(B: int, nets: int, run: Callable[[int, int, int], R]) -> list[tuple[int, int, R]]:
    """Run over all sequences: the first of each share, how many it has, and what was returned for it.

    Args:
        B: how many sequences there are.
        nets: how many nets read them, each as many as any other.
        run: takes a net, the first of its sequences and how many of them. Threads take a net each, or where there are
            fewer nets than threads, a share of its sequences.
    """
    threads, own = torch.get_num_threads(), B // nets
    n = max(1, min(-(-threads // nets), own // FEWEST))
    cuts = [(net, own * net + own * i // n, own * net + own * (i + 1) // n) for net in range(nets) for i in range(n)]
    shares = [(net, first, end - first) for net, first, end in cuts]
    n = min(threads, len(shares))
    made = [run(*share) for share in shares] if n == 1 else _threads(n).map(run, *zip(*shares, strict=True))
    return [(first, count, result) for (_, first, count), result in zip(shares, made, strict=True)]


@cache
def _threads(n: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n)
