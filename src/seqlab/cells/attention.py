"""Causal self-attention in place of a recurrence: a cell whose only memory is the last steps as they were.

A block adds to each step what it finds in the steps before it, and then what it makes of that (Vaswani et al. 2017;
normalised before each half, Xiong et al. 2020)::

    q, k, v = Q n(h), K n(h), V n(h)           n is layer normalisation
    a_t = Σ_j softmax_j(R_tq_t · R_jk_j / √d) v_j        over the window, t − w < j ≤ t, in each of several heads
    h ← h + O a          h ← h + F₂ gelu(F₁ n(h))

R_t turns pairs of components by angles proportional to t, so that a product depends on the distance t − j alone (Su et
al. 2021, RoFormer). For the same reason it does not matter from where positions are counted: here from the oldest step
that is kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqlab.cells.base import State

Cache = tuple[Tensor, Tensor]
"""Keys and values (B, heads, steps, d), before they are turned."""


class Block(nn.Module):
    """Attention and a feed-forward layer, each beside a way around it."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.QKV = nn.Linear(width, 3 * width, bias=False)
        self.O = nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor, past: Cache | None, turned: Cache, visible: Tensor) -> tuple[Tensor, Cache]:
        """The steps h (B, T, H) with what was added to them, and the keys and values of the past and of these steps.

        Args:
            h: the steps.
            past: keys and values of S earlier steps, or none.
            turned: cosines and sines of R for all S + T steps (S + T, d / 2).
            visible: which step sees which (T, S + T).
        """
        parts = self.QKV(self.before_attention(h)).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, heads, d)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        a = F.scaled_dot_product_attention(_turn(q, turned), _turn(k, turned), v, attn_mask=visible)
        h = h + self._drop(self.O(a.transpose(1, 2).flatten(-2)))
        return h + self._drop(self.feed_forward(self.before_feed_forward(h))), (k, v)

    def _drop(self, added: Tensor) -> Tensor:
        return F.dropout(added, self.dropout, self.training)


def _turn(x: Tensor, turned: Cache) -> Tensor:
    """R x for the last steps of those whose cosines and sines are given, in x's own precision."""
    cos, sin = (part[-x.shape[-2] :] for part in turned)
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos - two * sin, one * sin + two * cos], dim=-1).to(x.dtype)


class Attention(nn.Module):
    """A stack of blocks over a window of steps.

    Args:
        input_size: the size of an input vector.
        hidden_size: H, the width of all blocks; a multiple of 2 · heads.
        num_layers: how many blocks.
        heads: how many attentions a block has beside each other.
        window: w, how many steps a block sees, the present one among them; L blocks reach L (w − 1) steps back.
        dropout: the share that is dropped of what a block adds, while training.

    Raises:
        ValueError: a size below one, a width that the heads cannot share, or a share outside [0, 1).
    """

    frequencies: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 2,
        heads: int = 4,
        window: int = 256,
        dropout: float = 0.0,
    ):
        super().__init__()
        if min(input_size, hidden_size, num_layers, heads, window) < 1:
            raise ValueError(f"sizes must be at least 1, got {hidden_size=}, {num_layers=}, {heads=}, {window=}")
        if hidden_size % (2 * heads):
            raise ValueError(f"hidden_size={hidden_size} must be a multiple of 2 · heads = {2 * heads}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        self.hidden_size, self.window = hidden_size, window
        self.embed = nn.Linear(input_size, hidden_size)
        self.blocks = nn.ModuleList(Block(hidden_size, heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)
        d = hidden_size // heads
        self.register_buffer("frequencies", 10000.0 ** -(torch.arange(0, d, 2) / d), persistent=False)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """What the blocks made of each step (B, T, H), and the state after the last step.

        Args:
            x: inputs (B, T, D).
            state: how many steps were read, and the keys and values of the last w − 1 of them for each block; a state
                is of this size from the first step on.
        """
        seen, *past = state or (torch.zeros((), dtype=torch.int64, device=x.device), *[None] * len(self.blocks))
        T, S = x.shape[1], self.window - 1 if state else 0
        step = torch.arange(S + T, device=x.device)
        distance = step[S:, None] - step
        visible = (distance >= 0) & (distance < self.window) & (step >= S - seen)
        angles = step[:, None] * self.frequencies
        turned = angles.cos(), angles.sin()
        h, kept = self.embed(x), []
        for block, before in zip(self.blocks, past, strict=True):
            h, cache = block(h, before, turned, visible)
            kept.append(tuple(_last(part, self.window - 1) for part in cache))
        return self.norm(h), (seen + T, *kept)


def _last(steps: Tensor, n: int) -> Tensor:
    """The last n steps (B, heads, n, d); zeros before the first."""
    length = steps.shape[2]
    return F.pad(steps[:, :, max(length - n, 0) :], (0, 0, max(n - length, 0), 0))
