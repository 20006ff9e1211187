"""The two loops over time in C, for single precision on a CPU."""

from __future__ import annotations

import ctypes
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from seqlab.cells import rows
from seqlab.cells.bptt.scans import TorchScans
from seqlab.cells.rows import Panels, at, shared
from seqlab.native import Unavailable, load, once

TOLERANCE = 1e-5
"""How far its results may be from those of PyTorch's operations, where it is tried."""


def obstacle(like: Tensor) -> str:
    """What keeps numbers of this type, on this device, from the native engine; empty if nothing does."""
    return rows.obstacle(like, native_scans)


@once
def native_scans() -> Library:
    """Makes the scans in C, which are compiled if need be.

    Raises:
        Unavailable: they cannot be had, or do not compute what they should.
    """
    made = Library(load(Path(__file__).with_name("scans.c")))
    if not made.agrees():
        raise Unavailable("its results are wrong on this machine")
    return made


class Library:
    """What was compiled from ``scans.c``."""

    def __init__(self, library: ctypes.CDLL):
        self.panels, self.forwards, self.backwards = Panels(library), library.forwards, library.backwards
        pointer, number, flag = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        self.forwards.argtypes, self.forwards.restype = [pointer] * 2 + [number] * 4 + [flag], None
        self.backwards.argtypes, self.backwards.restype = [pointer] * 4 + [number] * 5 + [flag], None

    def __call__(self, U: Tensor, relu: bool) -> NativeScans:
        """The scans for U (H, H), or of R nets (R, H, H)."""
        return NativeScans(self, U, relu)

    def agrees(self) -> bool:
        """Whether it computes what PyTorch's operations do."""
        randomness = torch.Generator().manual_seed(0)
        h, dh, U = (torch.randn(*shape, generator=randomness) / 4 for shape in ((4, 5, 37), (3, 5, 37), (37, 37)))
        found = []
        for make in (self, TorchScans):
            scans, states, ds = make(U, False), h.clone(), torch.zeros_like(h)
            scans.forwards(states)
            scans.backwards(dh, ds, states)
            found.append(torch.cat([states, ds]))
        return bool((found[0] - found[1]).abs().max() < TOLERANCE)


class NativeScans:
    """``Scans`` by a library; as many threads as PyTorch has take each its share of the sequences."""

    def __init__(self, library: Library, U: Tensor, relu: bool):
        self.library, self.U, self.relu = library, U, relu

    @cached_property
    def panels_forwards(self) -> Tensor:
        """Of U transposed."""
        return self.library.panels(self.U.mT)

    @cached_property
    def panels_backwards(self) -> Tensor:
        """Of U as it is."""
        return self.library.panels(self.U)

    def forwards(self, h: Tensor) -> None:
        """As ``Scans`` has it."""
        (_, B, H), panels = h.shape, self.panels_forwards

        def run(net: int, first: int, count: int) -> None:
            self.library.forwards(at(h, first), at(panels, net), len(h) - 1, count, H, B * H, self.relu)

        shared(B, len(panels), run)

    def backwards(self, dh: Tensor, ds: Tensor, h: Tensor) -> None:
        """As ``Scans`` has it."""
        (L, B, H), panels = dh.shape, self.panels_backwards

        def run(net: int, first: int, count: int) -> None:
            places = at(dh, first), at(ds, first), at(h, first), at(panels, net)
            self.library.backwards(*places, L, count, H, dh.stride(0), B * H, self.relu)

        shared(B, len(panels), run)
