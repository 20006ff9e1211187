"""The two loops over time in PyTorch's operations."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.nets import add_product, of_nets

BLOCK, ROOM = 32, 1 << 18
"""How many steps have their slopes found at once, at most, and how many numbers these may be: what caches hold."""


def forwards(h: Tensor, U: Tensor, relu: bool) -> None:
    """As ``Scans`` has it."""
    squash, U_T = (Tensor.relu_ if relu else Tensor.tanh_), U.mT
    past, *states = of_nets(h, U).unbind()
    for h_t in states:
        squash(add_product(h_t, past, U_T, out=h_t))
        past = h_t


def backwards(dh: Tensor, h: Tensor, U: Tensor, relu: bool) -> Tensor:
    """As ``Scans`` has it."""
    T, B, H = len(h) - 1, *h.shape[1:]
    last_alone = dh.dim() == 2
    ds = h.new_empty(T, B, H)
    dh, h, steps = of_nets(dh, U), of_nets(h, U), of_nets(ds, U).unbind()
    above = dh.unbind()
    length = max(1, min(BLOCK, ROOM // (B * H)))
    ds_next: Tensor | None = None
    for end in range(T, 0, -length):
        first = max(0, end - length)
        slopes = _slopes(h[first + 1 : end + 1], relu).unbind()
        for t in range(end - 1, first - 1, -1):
            ds_t = steps[t]
            if ds_next is None:
                ds_t.copy_(dh if last_alone else above[t])
            elif last_alone:
                torch.matmul(ds_next, U, out=ds_t)
            else:
                add_product(above[t], ds_next, U, out=ds_t)
            ds_next = ds_t.mul_(slopes[t - first])
        if last_alone and not ds[first].any():
            dead = int((ds[first:] == 0).flatten(1).all(1).sum())
            return ds[first + dead :]
    return ds


def _slopes(h: Tensor, relu: bool) -> Tensor:
    """∂h_t/∂s_t."""
    return (h > 0).to(h.dtype) if relu else torch.addcmul(h.new_ones(()), h, h, value=-1)
