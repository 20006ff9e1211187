"""Backpropagation through time, by hand (Werbos 1990).

What a hidden state owes to the loss is what the readout says about it, plus what all later steps say, which arrives
through U. With ``dq`` for ∂E/∂q::

    dh_t = (from above) + Uᵀ ds_{t+1}        ds_t = (1 − h_t²) ⊙ dh_t        for ReLU ds_t = [h_t > 0] ⊙ dh_t

    ∂E/∂U = Σ_t ds_t h_{t−1}ᵀ    ∂E/∂W = Σ_t ds_t x_tᵀ    ∂E/∂b = Σ_t ds_t    ∂E/∂x_t = Wᵀ ds_t    ∂E/∂h_0 = Uᵀ ds_1

Only the first line goes step by step. All else is a product over many steps at once, though not over all of them: so
there are never the gradients ds_t of all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqlab.cells.inputs import add_gradient, project
from seqlab.cells.spans import spans
from seqlab.nets import add_product, by_net, in_order, of_nets
from seqlab.products import fast_products


class Scans(Protocol):
    """The two loops over some steps, made for one U."""

    def forwards(self, h: Tensor) -> None:
        """Makes h_t in place.

        Args:
            h: (L + 1, B, H): the state before the first step, and then W x_t + b where h_t is to be.
        """
        ...

    def backwards(self, dh: Tensor, ds: Tensor, h: Tensor) -> None:
        """Makes ds_t in place.

        Args:
            dh: ∂E/∂h_t as the layers above see it (L, B, H), each step in one piece.
            ds: where they are to be, and behind them that of the step after the last (L + 1, B, H).
            h: as ``forwards`` left them (L + 1, B, H).
        """
        ...


class MakeScans(Protocol):
    """Makes the loops."""

    def __call__(self, U: Tensor, relu: bool) -> Scans:
        """The loops for recurrent weights U (H, H), where the squashing is max(0, s) or else tanh."""
        ...


@dataclass
class Reach:
    """How far back the gradient of a last state came.

    Attributes:
        steps: through how many steps before it was zero, or T; ``None`` before there was one.
    """

    steps: int | None = None


class BPTT(torch.autograd.Function):
    """h_1 … h_T from x_1 … x_T and h_0, and all gradients by hand. Differentiable once."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        W: Tensor,
        U: Tensor,
        b: Tensor | None,
        h_0: Tensor,
        relu: bool,
        make: MakeScans,
        reach: Reach | None,
    ) -> Tensor:
        """Hidden states (T, B, H), or where their reach is asked for, the last one alone (B, H)."""
        x, U = x.contiguous(), U.contiguous()
        h = W.new_empty(len(x) + 1, *h_0.shape)  # h[t] is h_t
        h[0] = h_0
        scans = make(U, relu)
        for first, end in spans(len(x), h_0.numel()):
            s = h[first + 1 : end + 1]
            with fast_products:
                project(x[first:end], W, out=s)
            if b is not None:
                of_nets(s, W).add_(b if W.dim() == 2 else b[:, None])
            scans.forwards(h[first : end + 1])
        ctx.save_for_backward(x, W, U, h)
        ctx.relu, ctx.make, ctx.reach = relu, make, reach
        return h[-1] if reach else h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        """∂E/∂(x, W, U, b, h_0) from ∂E/∂h_t as the layers above see it, or ∂E/∂h_T."""
        x, W, U, h = ctx.saved_tensors
        wants_x, wants_W, _, wants_b, wants_h_0, *_ = ctx.needs_input_grad
        dW, dU, db = W.new_zeros(W.mT.shape), torch.zeros_like(U), U.new_zeros(U.shape[:-1])
        dx = torch.zeros_like(x) if wants_x else None
        for steps, ds in _from_the_end(dh, h, ctx.make(U, ctx.relu)):
            flat = by_net(ds, U)
            with fast_products:
                add_product(dU, flat.mT, by_net(h[steps], U))
                if wants_W:
                    add_gradient(dW, x[steps], flat)
                if dx is not None:
                    dx[steps] = in_order(flat @ W, ds)
            if wants_b:
                db += flat.sum(-2)
        dh_0 = in_order(of_nets(ds[0], U) @ U, ds[0]) if wants_h_0 else None
        if ctx.reach:
            zero = (ds == 0).flatten(1).all(1)
            ctx.reach.steps = len(x) - steps.start - int(zero.cumprod(0).sum())
        return dx, dW.mT if wants_W else None, dU, db if wants_b else None, dh_0, None, None, None


def _from_the_end(dh: Tensor, h: Tensor, scans: Scans) -> Iterator[tuple[slice, Tensor]]:
    """The gradients ds_t of some steps at a time (L, B, H), and which they are, from the last steps to the first.

    Where nothing comes from above but at the last step, it ends with steps at whose beginning the gradient is zero, as
    it then is at all before.

    Args:
        dh: ∂E/∂h_t as the layers above see it, (T, B, H); or of the last step alone (B, H).
        h: h_0 … h_T (T + 1, B, H).
        scans: the loops over time.
    """
    T, state, last_alone = len(h) - 1, h[0].numel(), dh.dim() == 2
    parts = [*spans(T - 1, state, vanishes=True), (T - 1, T)] if last_alone else spans(T, state)
    made, nothing, dh = h.new_empty(parts[0][1] + 1, *h[0].shape), torch.zeros_like(h[0]), dh.contiguous()
    ds_next = nothing
    for first, end in reversed(parts):
        above = dh[first:end] if not last_alone else (dh if end == T else nothing).expand(end - first, -1, -1)
        ds = made[: end - first]
        made[end - first] = ds_next
        scans.backwards(above, made[: end - first + 1], h[first : end + 1])
        yield slice(first, end), ds
        ds_next = ds[0]
        if last_alone and not ds_next.any():
            break
