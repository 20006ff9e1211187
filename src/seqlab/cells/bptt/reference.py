"""The recurrence as it is defined; autograd finds its gradient, and the gradient of that."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def hidden_states(x: Tensor, W: Tensor, U: Tensor, b: Tensor | None, h_0: Tensor, relu: bool) -> Tensor:
    """As ``seqlab.cells.bptt.hidden_states``."""
    if U.dim() == 3:
        nets = (x.chunk(len(U), 1), W, U, [None] * len(U) if b is None else b, h_0.chunk(len(U)))
        return torch.cat([hidden_states(*net, relu) for net in zip(*nets, strict=True)], 1)
    squash = torch.relu if relu else torch.tanh
    past, h = h_0, []
    for x_t in x:
        Wx_t = F.embedding(x_t, W.T) if x.dtype == torch.int64 else x_t @ W.T
        past = squash(past @ U.T + Wx_t + (0.0 if b is None else b))
        h.append(past)
    return torch.stack(h)
