"""How open the gates of a cell are: values between 0, where nothing passes, and 1, where all does.

The gates of PyTorch's own cells are computed here a second time, since these keep them to themselves. Any other cell
may tell its own, in a method ``gates(x, state)``.
"""

from __future__ import annotations

from collections import defaultdict
from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqlab.cells.base import State

CLOSED, OPEN = 0.1, 0.9
"""Below and above which a gate counts as saturated (Karpathy, Johnson & Fei-Fei 2015)."""

Gates = dict[str, Tensor]
"""Values by the name of the gate, sequences first (B, …)."""


@singledispatch
def gates(cell: nn.Module, x: Tensor, state: State) -> Gates:
    """The gates of one step; none, of a cell that has none or does not tell them.

    Args:
        cell: any cell.
        x: the step's input, as the cell takes it: (B, 1, D), or token ids (B, 1).
        state: what it remembered before the step.
    """
    tell = getattr(cell, "gates", None)
    return tell(x, state) if tell else {}


@gates.register
def _(cell: nn.LSTM, x: Tensor, state: State) -> Gates:
    """Of all layers, (B, layers · H) each."""
    found, h_below = defaultdict(list), x[:, 0]
    for layer, (h, c) in enumerate(zip(*state, strict=True)):
        i, f, g, o = (_from_below(cell, layer, h_below) + _from_before(cell, layer, h)).chunk(4, dim=-1)
        i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
        h_below = o * (f * c + i * g.tanh()).tanh()
        for name, gate in (("input", i), ("forget", f), ("output", o)):
            found[name].append(gate)
    return {name: torch.cat(values, dim=-1) for name, values in found.items()}


@gates.register
def _(cell: nn.GRU, x: Tensor, state: State) -> Gates:
    """Of all layers, (B, layers · H) each; an update gate of one keeps what was before."""
    found, h_below = defaultdict(list), x[:, 0]
    for layer, h in enumerate(state):
        r, z, n = _from_below(cell, layer, h_below).chunk(3, dim=-1)
        r_before, z_before, n_before = _from_before(cell, layer, h).chunk(3, dim=-1)
        r, z = (r + r_before).sigmoid(), (z + z_before).sigmoid()
        h_below = (1 - z) * (n + r * n_before).tanh() + z * h
        for name, gate in (("reset", r), ("update", z)):
            found[name].append(gate)
    return {name: torch.cat(values, dim=-1) for name, values in found.items()}


def _from_below(cell: nn.RNNBase, layer: int, x: Tensor) -> Tensor:
    if x.dtype == torch.int64:
        x = F.one_hot(x, cell.input_size).to(cell.get_parameter("weight_ih_l0").dtype)
    return F.linear(x, cell.get_parameter(f"weight_ih_l{layer}"), getattr(cell, f"bias_ih_l{layer}", None))


def _from_before(cell: nn.RNNBase, layer: int, h: Tensor) -> Tensor:
    return F.linear(h, cell.get_parameter(f"weight_hh_l{layer}"), getattr(cell, f"bias_hh_l{layer}", None))


def saturation(values: Tensor) -> tuple[float, float]:
    """The share of gate values below ``CLOSED``, and of those above ``OPEN``."""
    return float((values < CLOSED).double().mean()), float((values > OPEN).double().mean())
