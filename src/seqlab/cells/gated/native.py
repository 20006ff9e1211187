"""The loops over time of LSTM and GRU in C, for single precision on a CPU."""

from __future__ import annotations

import ctypes
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from seqlab.cells import rows
from seqlab.cells.gated.by_hand import GatedBPTT, weights
from seqlab.cells.rows import Panels, at, shared
from seqlab.native import Unavailable, load, once

TOLERANCE = 1e-5
"""How far its results may be from PyTorch's, where it is tried."""


def obstacle(mode: str, like: Tensor) -> str:
    """What keeps numbers of this type, on this device, from an ``"LSTM"`` or ``"GRU"`` in C; empty if nothing does."""
    return rows.obstacle(like, lambda: native_scans(mode))


@once
def native_scans(mode: str) -> Library:
    """Makes the scans of an ``"LSTM"`` or ``"GRU"`` in C, which are compiled if need be.

    Raises:
        Unavailable: they cannot be had, or do not compute what they should.
    """
    made = Library(mode, load(Path(__file__).with_name("scans.c")))
    if not made.agrees():
        raise Unavailable("its results are wrong on this machine")
    return made


class Library:
    """What was compiled from ``scans.c``, for one kind of cell."""

    def __init__(self, mode: str, library: ctypes.CDLL):
        self.mode, self.panels = mode, Panels(library)
        pointer, number = ctypes.c_void_p, ctypes.c_size_t
        self.forwards, self.backwards = library[f"{mode.lower()}_forwards"], library[f"{mode.lower()}_backwards"]
        self.forwards.argtypes, self.forwards.restype = [pointer] * 5 + [number] * 4, None
        self.backwards.argtypes, self.backwards.restype = [pointer] * 8 + [number] * 4, None

    def __call__(self, U: Tensor) -> NativeScans:
        """The scans for U (M, H), or of R nets (R, M, H)."""
        return NativeScans(self, U)

    def agrees(self) -> bool:
        """Whether it computes what PyTorch does."""
        plain = torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False)
        with plain[0], plain[1], plain[2], torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            cell = getattr(nn, self.mode)(3, 37)
            x, *state = torch.randn(4, 5, 3), *torch.zeros(2 if self.mode == "LSTM" else 1, 5, 37)
            found = []
            for h in (cell(x)[0], GatedBPTT.apply(x, *weights(cell, 0), self, False, *state)[0]):
                found.append(torch.cat([h.flatten(), *(d.flatten() for d in _gradients(h, cell))]).detach())
        return bool((found[0] - found[1]).abs().max() < TOLERANCE)


def _gradients(h: Tensor, cell: nn.Module) -> tuple[Tensor, ...]:
    return torch.autograd.grad(h.square().mean(), list(cell.parameters()))


class NativeScans:
    """``Scans`` by a library; as many threads as PyTorch has take each its share of the sequences."""

    def __init__(self, library: Library, U: Tensor):
        self.library, self.U = library, U

    @cached_property
    def panels_forwards(self) -> Tensor:
        """Of U transposed; of a GRU those of q apart, since they are added elsewhere."""
        H = self.U.shape[-1]
        parts = self.U.split(2 * H, -2) if self.library.mode == "GRU" else [self.U]
        return torch.cat([self.library.panels(part.mT) for part in parts], 1)

    @cached_property
    def panels_backwards(self) -> Tensor:
        """Of U as it is."""
        return self.library.panels(self.U)

    def forwards(self, units: Tensor, b: Tensor, h: Tensor, kept: Tensor) -> None:
        """As ``Scans`` has it."""
        (L, B, _), H, panels = units.shape, h.shape[2], self.panels_forwards

        def run(net: int, first: int, count: int) -> None:
            places = at(units, first), at(b, net), at(h[1], first), at(kept[1], first), at(panels, net)
            self.library.forwards(*places, L, count, H, B)

        shared(B, len(panels), run)

    def backwards(
        self, above: Tensor, dunits: Tensor, units: Tensor, h: Tensor, kept: Tensor, dh: Tensor, dc: Tensor
    ) -> None:
        """As ``Scans`` has it."""
        (L, B, H), panels = above.shape, self.panels_backwards

        def run(net: int, first: int, count: int) -> None:
            places = [at(part, first) for part in (above, dunits, units, h[1], kept[1], dh, dc)]
            self.library.backwards(*places, at(panels, net), L, count, H, B)

        shared(B, len(panels), run)
