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
            past = squash(add_product(h_t, past, U_T))

    def backwards(self, dh: Tensor, ds: Tensor, h: Tensor) -> None:
        """As ``Scans`` has it."""
        ds[:-1] = dh
        slopes, (*steps, after) = (of_nets(part, self.U).unbind() for part in (self._slopes(h[1:]), ds))
        for ds_t, slope in zip(reversed(steps), reversed(slopes), strict=True):
            after = add_product(ds_t, after, self.U).mul_(slope)

    def _slopes(self, h: Tensor) -> Tensor:
        """∂h_t/∂s_t."""
        return (h > 0).to(h.dtype) if self.relu else torch.addcmul(h.new_ones(()), h, h, value=-1)
