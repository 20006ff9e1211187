"""What makes of PyTorch's LSTM or GRU one whose loops over time are in C, where they can be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqlab.cells import rows
from seqlab.cells.base import Engine, State
from seqlab.cells.gated import native
from seqlab.cells.gated.by_hand import GatedBPTT, weights


class Layers(nn.RNNBase):
    """Layers in C: stands before ``nn.LSTM`` or ``nn.GRU`` among the bases of a class, and takes over from it.

    Where C cannot compute, in another precision, on another device, or without a compiler, PyTorch does.
    """

    takes_tokens = True
    weight_hh_l0: Tensor

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Hidden states of the top layer (B, T, H), and the state after the last step, as PyTorch has it.

        Args:
            x: reals (B, T, K), or token ids (B, T).
            state: before the first step; zero if not given.
        """
        if self.engine_for(self.weight_hh_l0).name == "torch":
            return super().forward(self._vectors(x), state)
        h, state = self._run(x, state, last_alone=False)
        return h.transpose(0, 1), state

    def last(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The last hidden state of the top layer alone (B, H), and the state after it.

        On the way back nothing comes from above but at the last step. Where a gradient has vanished to zero the way
        ends: what is left out is exactly nothing.
        """
        if self.engine_for(self.weight_hh_l0).name == "torch":
            h, state = self(x, state)
            return h[:, -1], state
        return self._run(x, state, last_alone=True)

    @property
    def stacks(self) -> bool:
        """Whether weights may be of several nets, as seqlab.nets has it: PyTorch computes one at a time."""
        return self.engine_for(self.weight_hh_l0).name == "native"

    def engine_for(self, like: Tensor) -> Engine:
        """What computes it where numbers are of the type and on the device of ``like``."""
        return rows.engine(native.obstacle(self.mode, like))

    def _run(self, x: Tensor, state: State, last_alone: bool) -> tuple[Tensor, State]:
        """Hidden states of the top layer, time-major, or the last one alone; and the state."""
        make, lstm = native.native_scans(self.mode), self.mode == "LSTM"
        h: Any = x.T if x.dtype == torch.int64 else x.transpose(0, 1).to(self.weight_hh_l0.dtype)
        used = None
        if x.dtype == torch.int64 and x.numel() < self.input_size:  # more symbols than are read: most columns are not
            used, h = h.unique(return_inverse=True)
        if state is None:
            before: Any = self.weight_hh_l0.new_zeros(2 if lstm else 1, self.num_layers, len(x), self.hidden_size)
        else:
            before = state if lstm else (state,)
        ends = []
        for layer, begun in enumerate(zip(*before, strict=True)):
            top = layer == self.num_layers - 1
            W, U, b = weights(self, layer, used if layer == 0 else None)
            h, *c = GatedBPTT.apply(h, W, U, b, make, top and last_alone, *begun)
            ends.append((h if top and last_alone else h[-1], *c))
            h = h if top else F.dropout(h, self.dropout, self.training)
        after = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
        return h, after if lstm else after[0]

    def _vectors(self, x: Tensor) -> Tensor:
        """Inputs as PyTorch takes them."""
        return F.one_hot(x, self.input_size).to(self.weight_hh_l0.dtype) if x.dtype == torch.int64 else x
