"""From hidden states to predictions and their loss: z = V h, softmax, E; and the real-valued readout.

::

    (3) z_t = V h_t (+ c)      (4) ŷ_t = softmax(z_t)      (5) E_t = −y_tᵀ log ŷ_t

    r_t = ŷ_t − y_t            ∂E/∂V = Σ_t r_t h_tᵀ         ∂E/∂h_t = Vᵀ r_t
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqlab.spec import IGNORE


class Readout(nn.Module):
    """z = V h, with a bias c by option; V is drawn from U(−init, init), and so is c where an init is given.

    Args:
        hidden_size: H.
        size: K logits, or D reals.
        bias: whether there is a c.
        init: the bound; ``None`` for 1/√H, and c = 0.
    """

    def __init__(self, hidden_size: int, size: int, bias: bool, init: float | None = None):
        super().__init__()
        bound = 1 / math.sqrt(hidden_size) if init is None else init
        self.V = nn.Parameter(torch.empty(size, hidden_size).uniform_(-bound, bound))
        c = torch.zeros(size) if init is None else torch.empty(size).uniform_(-init, init)
        self.c = nn.Parameter(c) if bias else None

    def forward(self, h: Tensor) -> Tensor:
        """Logits or reals (…, K) for hidden states (…, H)."""
        return F.linear(h, self.V, self.c)


class CrossEntropy(torch.autograd.Function):
    """The mean of E_t over the positions that count, and its gradient r_t = ŷ_t − y_t by hand. Differentiable once."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, y: Tensor) -> Tensor:
        """The loss in nats for logits z (N, K) and targets y (N,), of which ``IGNORE`` does not count."""
        counts = y != IGNORE
        y = y.where(counts, 0)[:, None]
        log_sum = z.logsumexp(1, keepdim=True)  # log Σ exp z without overflow
        E = (log_sum - z.gather(1, y)).squeeze(1).where(counts, 0)
        n = counts.sum().clamp(min=1)
        ctx.save_for_backward(z, y, log_sum, counts, n)
        return E.sum() / n

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dE: Tensor) -> tuple[Tensor, None]:
        """r_t dE / n where a position counts, and zero elsewhere."""
        z, y, log_sum, counts, n = ctx.saved_tensors
        r = (z - log_sum).exp_()  # ŷ
        r.scatter_add_(1, y, r.new_full((1, 1), -1.0).expand_as(y))  # − y
        return r.mul_((dE / n) * counts[:, None]), None


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """The mean cross-entropy in nats, over the positions whose target is not ``IGNORE``.

    Args:
        z: logits (…, K).
        y: target ids (…) of int64.
    """
    if z.dtype in (torch.bfloat16, torch.float16):
        z = z.float()  # mixed precision: sums of exponentials need more digits than that
    return CrossEntropy.apply(z.reshape(-1, z.shape[-1]), y.reshape(-1))
