"""Backpropagation through time by hand for cells of four units: i, f, g, o of an LSTM; n, r, z, q of a GRU.

Steps are taken some at a time, so that there are never the gradients by the units of all of them.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqlab.cells.inputs import add_gradient, project
from seqlab.cells.spans import spans
from seqlab.nets import add_product, by_net, in_order
from seqlab.products import fast_products


class Scans(Protocol):
    """The two loops over some steps, made for one U."""

    def forwards(self, units: Tensor, b: Tensor, h: Tensor, kept: Tensor) -> None:
        """Makes h_t in place, and what the way back needs.

        Args:
            units: W x_t (L, B, M); squashed afterwards.
            b: bias (4 H,).
            h: (L + 1, B, H), of which the first is there.
            kept: the same of c_t, or of q.
        """
        ...

    def backwards(
        self, above: Tensor, dunits: Tensor, units: Tensor, h: Tensor, kept: Tensor, dh: Tensor, dc: Tensor
    ) -> None:
        """Makes the gradients by units before they are squashed.

        Args:
            above: ∂E/∂h_t as the layers above see it (L, B, H).
            dunits: where they are to be (L, B, 4 H).
            units: as ``forwards`` left them, and so the next two.
            h: (L + 1, B, H).
            kept: (L + 1, B, H).
            dh: what later steps say of h (B, H); of the state before the first step afterwards.
            dc: the same of c.
        """
        ...


class MakeScans(Protocol):
    """Makes the loops for recurrent weights."""

    def __call__(self, U: Tensor) -> Scans:
        """The loops for U (M, H)."""
        ...


def weights(cell: nn.RNNBase, layer: int, used: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """W (M, K), U (M, H) and b (4 H,) of a layer of PyTorch's LSTM or GRU; of R nets with R in front.

    A GRU's n stands before its r and z where it is read from below, and behind them where it is read from before: so
    each is one piece of (n, r, z, q).

    Args:
        cell: whose they are.
        layer: which.
        used: the columns of W that are wanted; all if not given.
    """
    W, U = (getattr(cell, f"weight_{kind}_l{layer}") for kind in ("ih", "hh"))
    if used is not None:
        W = W.index_select(-1, used)
    H, gru = cell.hidden_size, cell.mode == "GRU"
    if gru:
        W = W.roll(H, -2)
    if not cell.bias:
        return W, U, W.new_zeros(*W.shape[:-2], 4 * H)
    b, b_before = (getattr(cell, f"bias_{kind}_l{layer}") for kind in ("ih", "hh"))
    return W, U, F.pad(b.roll(H, -1), (0, H)) + F.pad(b_before, (H, 0)) if gru else b + b_before


class GatedBPTT(torch.autograd.Function):
    """h_1 … h_T from x_1 … x_T and the states before, and all gradients by hand. Differentiable once."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        W: Tensor,
        U: Tensor,
        b: Tensor,
        make: MakeScans,
        last_alone: bool,
        h_0: Tensor,
        *c_0: Tensor,
    ) -> tuple[Tensor, ...]:
        """Hidden states (T, B, H), or the last one alone (B, H); and c_T, where there is a c_0.

        Args:
            ctx: keeps what the backward pass needs.
            x: inputs, (T, B, K) reals or (T, B) token ids.
            W: input weights (M, K), of as many units as a step reads from below.
            U: recurrent weights (M, H), of as many as it reads from before.
            b: bias (4 H,).
            make: makes the scans.
            last_alone: whether only h_T is wanted.
            h_0: hidden states before the first step (B, H).
            c_0: an LSTM's cell states before the first step (B, H).
        """
        x, U, b = x.contiguous(), U.contiguous(), b.contiguous()
        T, (B, H) = len(x), h_0.shape
        h, kept, units = W.new_empty(T + 1, B, H), W.new_empty(T + 1, B, H), W.new_empty(T, B, W.shape[-2])
        h[0] = h_0
        for c in c_0:
            kept[0] = c
        scans = make(U)
        if x.dtype == torch.int64:
            W = W.mT.contiguous().mT
        with fast_products:
            for first, end in spans(T, 4 * B * H):
                project(x[first:end], W, out=units[first:end])
                scans.forwards(units[first:end], b, h[first : end + 1], kept[first : end + 1])
        ctx.save_for_backward(x, W, U, h, kept, units)
        ctx.make, ctx.last_alone = make, last_alone
        return (h[-1] if last_alone else h[1:], *(kept[-1] for _ in c_0))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor, *dc_T: Tensor) -> tuple[Tensor | None, ...]:
        """∂E/∂(x, W, U, b, h_0, c_0) from ∂E/∂h_t as the layers above see it, or ∂E/∂h_T; and ∂E/∂c_T."""
        x, W, U, h, kept, units = ctx.saved_tensors
        (T, B, M), H = units.shape, h.shape[2]
        parts = spans(T, 4 * B * H, ctx.last_alone)
        longest = parts[0][1]
        dh = above if ctx.last_alone else torch.zeros_like(h[0])
        dh, *dc = (part.clone(memory_format=torch.contiguous_format) for part in (dh, *dc_T))
        above = h.new_zeros(longest, B, H) if ctx.last_alone else above.contiguous()
        dunits, ones = h.new_empty(longest, B, 4 * H), h.new_ones(longest * B)
        dW, dU, db = W.new_zeros(W.mT.shape), U.new_zeros(U.mT.shape), U.new_zeros(*U.shape[:-2], 4 * H)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.zeros_like(x) if ctx.last_alone else torch.empty_like(x)
        scans = ctx.make(U)
        with fast_products:
            for first, end in reversed(parts):
                steps, made = slice(first, end), dunits[: end - first]
                now = above[: end - first] if ctx.last_alone else above[steps]
                scans.backwards(now, made, units[steps], h[first : end + 1], kept[first : end + 1], dh, *dc or [dh])
                flat = by_net(made, U)  # (…, 4 H)
                by_below, by_before = flat[..., :M], flat[..., 4 * H - M :]
                add_product(dU, by_net(h[steps], U).mT, by_before)
                add_gradient(dW, x[steps], by_below)
                db += ones[: flat.shape[-2]] @ flat
                if dx is not None:
                    dx[steps] = in_order(by_below @ W, made)
                if ctx.last_alone and not any(part.any() for part in (dh, *dc)):
                    break  # it is zero in all earlier steps, too
        return dx, dW.mT, dU.mT, db, None, None, dh, *dc
