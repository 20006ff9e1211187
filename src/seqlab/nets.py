"""Several nets of one size, computed at once.

Their weights are stacked: one more axis in front, of length R. Each net reads as many of the sequences as any other,
the first net the first of them. Where weights have no such axis there is one net, and all is as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor


def of_nets(states: Tensor, weights: Tensor) -> Tensor:
    """States (…, B, H) of R nets by net, (…, R, B / R, H), in the same memory."""
    return states.unflatten(-2, (len(weights), -1)) if weights.dim() == 3 else states


def by_net(states: Tensor, weights: Tensor) -> Tensor:
    """States (T, B, H) as rows (T B, H); those of R nets apart (R, T B / R, H)."""
    if weights.dim() == 2:
        return states.flatten(0, 1)
    return states.unflatten(1, (len(weights), -1)).transpose(0, 1).flatten(1, 2)


def in_order(rows: Tensor, like: Tensor) -> Tensor:
    """What ``by_net`` or ``of_nets`` took apart, with the axes of states ``like`` it but the last."""
    *axes, _ = like.shape
    if rows.dim() == 3 and len(axes) == 2:
        rows = rows.unflatten(1, (axes[0], -1)).transpose(0, 1)
    return rows.reshape(*axes, rows.shape[-1])


def places(ids: Tensor, tables: Tensor) -> Tensor:
    """Where the rows of ids (T, B) are: in a table (K, …), or where those of R nets lie one below the other."""
    if tables.dim() == 2:
        return ids
    R, K, _ = tables.shape
    own = K * torch.arange(R, device=ids.device)[:, None]
    return (ids.unflatten(1, (R, -1)) + own).flatten(1)


def add_product(to: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Adds a @ b in place, of matrices, or of stacks of them."""
    return to.addmm_(a, b) if a.dim() == 2 else to.baddbmm_(a, b)
