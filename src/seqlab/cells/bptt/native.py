"""The two loops over time in C, for single precision on a CPU.

As many threads as PyTorch has take each its share of the sequences through all steps, without waiting for one another.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from seqlab.cells import rows
from seqlab.cells.bptt import scans
from seqlab.cells.rows import Panels, at, shared
from seqlab.native import Unavailable, load, once

TOLERANCE = 1e-5
"""How far its results may be from those of PyTorch's operations, where it is tried."""


def obstacle(like: Tensor) -> str:
    """What keeps numbers of this type, on this device, from the native engine; empty if nothing does."""
    return rows.obstacle(like, native_scans)


@once
def native_scans() -> NativeScans:
    """The scans in C, compiled if need be.

    Raises:
        Unavailable: they cannot be had, or do not compute what they should.
    """
    made = NativeScans(load(Path(__file__).with_name("scans.c")))
    if not made.agree():
        raise Unavailable("its results are wrong on this machine")
    return made


class NativeScans:
    """``Scans`` by a library compiled from ``scans.c``."""

    def __init__(self, library: ctypes.CDLL):
        self.library = library
        self.panels = Panels(library)
        pointer, number, flag = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        library.forwards.argtypes, library.forwards.restype = [pointer] * 2 + [number] * 4 + [flag], None
        library.backwards.argtypes, library.backwards.restype = [pointer] * 4 + [number] * 4 + [flag] * 2, number

    def forwards(self, h: Tensor, U: Tensor, relu: bool) -> None:
        """As ``Scans`` has it."""
        _, B, H = h.shape
        panels = self.panels(U.mT)

        def run(net: int, first: int, count: int) -> None:
            self.library.forwards(at(h, first), at(panels, net), len(h) - 1, count, H, B * H, relu)

        shared(B, len(panels), run)

    def backwards(self, dh: Tensor, h: Tensor, U: Tensor, relu: bool) -> Tensor:
        """As ``Scans`` has it."""
        (_, B, H), T, last_alone = h.shape, len(h) - 1, dh.dim() == 2
        panels, dh = self.panels(U), dh.contiguous()
        ds = h.new_empty(T, B, H)

        def run(net: int, first: int, count: int) -> int:
            places = at(dh, first), at(ds, first), at(h, first), at(panels, net)
            return self.library.backwards(*places, T, count, H, B * H, relu, last_alone)

        shares = shared(B, len(panels), run)
        live = max(steps for _, _, steps in shares)
        for first, count, steps in shares:
            ds[T - live : T - steps, first : first + count] = 0
        return ds[T - live :]

    def agree(self) -> bool:
        """Whether they compute what PyTorch's operations do."""
        randomness = torch.Generator().manual_seed(0)
        h, dh, U = (torch.randn(*shape, generator=randomness) / 4 for shape in ((4, 5, 37), (3, 5, 37), (37, 37)))
        found = []
        for made in (self, scans):
            states = h.clone()
            made.forwards(states, U, False)
            found.append(torch.cat([states, made.backwards(dh, states, U, False)]))
        return bool((found[0] - found[1]).abs().max() < TOLERANCE)
