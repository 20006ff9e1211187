"""The two loops over time in PyTorch's operations."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.nets import add_product, of_nets


class TorchScans:
    """``Scans`` for recurrent weights U (H, H), or of R nets (R, H, H)."""

    def __init__(self, U: Tensor, relu: bool):
        self.U, self.relu = U, relu

    def forwards(self, h: Tensor) -> None:
        """As ``Scans`` has it."""
        squash, U_T = (Tensor.relu_ if self.relu else Tensor.tanh_), self.U.mT
        past, *states = of_nets(h, self.U).unbind()
        for h_t in states:
            squash(add_product(h_t, past, U_T, out=h_t))
            past = h_t

    def backwards(self, dh: Tensor, ds: Tensor, h: Tensor) -> None:
        """As ``Scans`` has it."""
        above, slopes, steps = (of_nets(part, self.U).unbind() for part in (dh, self._slopes(h[1:]), ds))
        for t in reversed(range(len(above))):
            add_product(above[t], steps[t + 1], self.U, out=steps[t]).mul_(slopes[t])

    def _slopes(self, h: Tensor) -> Tensor:
        """∂h_t/∂s_t."""
        return (h > 0).to(h.dtype) if self.relu else torch.addcmul(h.new_ones(()), h, h, value=-1)
