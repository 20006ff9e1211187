"""From hidden states to predictions and their loss: z = V h, softmax, E; and the real-valued readout.

::

    (3) z_t = V h_t (+ c)      (4) ŷ_t = softmax(z_t)      (5) E_t = −y_tᵀ log ŷ_t

    r_t = ŷ_t − y_t            ∂E/∂V = Σ_t r_t h_tᵀ         ∂E/∂h_t = Vᵀ r_t

Where only the loss is wanted, readout and cross-entropy are one: the residual is made where the logits were, for some
positions at a time, and is used up before the next; so there are never more than ``ROOM`` logits, and only of the
positions that count.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqlab.nets import add_product, by_net
from seqlab.products import fast_products
from seqlab.spec import IGNORE

ROOM = 1 << 21
"""How many logits there are at a time."""
HALF = torch.bfloat16, torch.float16
FEW = 32
"""Up to so many symbols their logits lie by symbol and not by position, since vectors run along what is longer."""


class Readout(nn.Module):
    """z = V h, with a bias c by option; V is drawn from U(−init, init), and so is c where an init is given.

    Args:
        hidden_size: H.
        size: K logits, or D reals.
        bias: whether there is a c.
        init: the bound; ``None`` for 1/√H, and c = 0.
    """

    stacks = True  # as seqlab.nets has it

    def __init__(self, hidden_size: int, size: int, bias: bool, init: float | None = None):
        super().__init__()
        bound = 1 / math.sqrt(hidden_size) if init is None else init
        self.V = nn.Parameter(torch.empty(size, hidden_size).uniform_(-bound, bound))
        c = torch.zeros(size) if init is None else torch.empty(size).uniform_(-init, init)
        self.c = nn.Parameter(c) if bias else None

    def forward(self, h: Tensor) -> Tensor:
        """Logits or reals (…, K) for hidden states (…, H)."""
        if self.V.dim() == 2:
            return F.linear(h, self.V, self.c)
        z = h.unflatten(0, (len(self.V), -1)).flatten(1, -2) @ self.V.mT
        return (z if self.c is None else z + self.c[:, None]).reshape(*h.shape[:-1], -1)

    def cross_entropy(self, h: Tensor, y: Tensor) -> Tensor:
        """``cross_entropy(readout(h), y)`` without all logits at once.

        Args:
            h: hidden states (…, H).
            y: target ids (…) of int64.
        """
        mixed = h.dtype != self.V.dtype or h.dtype in HALF or torch.is_autocast_enabled(h.device.type)
        if mixed:
            return cross_entropy(self(h), y)
        if y.dim() == 2 and h.transpose(0, 1).is_contiguous():  # as our cells leave it: time-major
            h, y = h.transpose(0, 1), y.T
        else:
            h, y = h.reshape(1, -1, h.shape[-1]), y.reshape(1, -1)
        return ReadoutCrossEntropy.apply(by_net(h, self.V), self.V, self.c, by_net(y[..., None], self.V)[..., 0])


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
    if z.dtype in HALF:
        z = z.float()  # mixed precision: sums of exponentials need more digits than that
    return CrossEntropy.apply(z.reshape(-1, z.shape[-1]), y.reshape(-1))


class ReadoutCrossEntropy(torch.autograd.Function):
    """The mean of E_t over the positions that count, from hidden states; all gradients by hand. Differentiable once."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, V: Tensor, c: Tensor | None, y: Tensor) -> Tensor:
        """The loss in nats for hidden states h (N, H), V (K, H), c (K,) or none, and targets y (N,).

        The gradients are made on the way, while the logits are there. Of R nets (``seqlab.nets``) each argument has one
        more axis in front, and the loss is the mean of theirs.
        """
        N, nets = y.shape[-1], y.shape[:-1].numel()
        places = _counting(y)
        if places.shape[-1] < N:
            h, y = h.take_along_dim(places[..., None], -2), y.gather(-1, places)
        counts = y != IGNORE
        shares = counts.to(h.dtype) / (nets * counts.sum(-1, keepdim=True)).clamp(min=1)
        y, length = y.where(counts, 0), max(1, ROOM // (nets * V.shape[-2]))
        dh, dV, dc = torch.empty_like(h), torch.zeros_like(V), V.new_zeros(V.shape[:-1])
        E = h.new_zeros(())
        with fast_products:
            some = h.split(length, -2), y.split(length, -1), shares.split(length, -1), dh.split(length, -2)
            for h_i, y_i, shares_i, dh_i in zip(*some, strict=True):
                E_i, r = _residual(h_i, V, c, y_i, shares_i)
                E += E_i
                torch.matmul(r, V, out=dh_i)
                add_product(dV, r.mT, h_i)
                if c is not None:
                    dc += r.sum(-2)
        ctx.save_for_backward(places, dh, dV, dc)
        ctx.N, ctx.bias = N, c is not None
        return E

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dE: Tensor) -> tuple[Tensor | None, ...]:
        """∂E/∂(h, V, c), zero for hidden states whose position does not count."""
        places, *gradients = ctx.saved_tensors
        if not (dE.is_cpu and dE == 1):
            gradients = [gradient * dE for gradient in gradients]
        dh, dV, dc = gradients
        if places.shape[-1] < ctx.N:
            whole = dh.new_zeros(*dh.shape[:-2], ctx.N, dh.shape[-1])
            dh = whole.scatter_(-2, places[..., None].expand_as(dh), dh)
        return dh, dV, dc if ctx.bias else None, None


def _counting(y: Tensor) -> Tensor:
    """Places of positions that count (…, n); of several nets as many of each, others too where it has fewer."""
    counts = y != IGNORE
    of_nets = counts.sum(-1)
    n = int(of_nets.max())
    if (of_nets == n).all():
        return counts.nonzero()[:, -1].view(*y.shape[:-1], n)
    return counts.byte().argsort(dim=-1, descending=True, stable=True)[..., :n]


def _residual(h: Tensor, V: Tensor, c: Tensor | None, y: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Σ E_t over some positions, and their residuals r (…, n, K), each times its share of the mean."""
    symbols = -2 if V.shape[-2] <= FEW else -1
    z = V @ h.mT if symbols == -2 else h @ V.mT
    if c is not None:
        z += c[..., None] if symbols == -2 else c[..., None, :]
    z -= z.amax(symbols, keepdim=True)
    y, shares = y.unsqueeze(symbols), shares.unsqueeze(symbols)
    z_y = z.gather(symbols, y)
    total = z.exp_().sum(symbols, keepdim=True)
    E = (shares * (total.log() - z_y)).sum()
    z *= shares / total  # ŷ
    z.scatter_add_(symbols, y, -shares)  # − y
    return E, z.mT if symbols == -2 else z
