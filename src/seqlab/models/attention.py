"""Global attention over what an encoder read (Luong, Pham & Manning 2015), in its general form, without input feeding.

::

    α_ts = softmax_s(h_tᵀ A r_s)        c_t = Σ_s α_ts r_s        h̃_t = tanh(C [c_t; h_t])

r_s are the encoder's hidden states, h_t the decoder's. A step looks for what it needs, and the readout sees both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class GlobalAttention(nn.Module):
    """From hidden states to attentional hidden states of the same size.

    Args:
        hidden_size: H, of the encoder and of the decoder.
    """

    def __init__(self, hidden_size: int):
        super().__init__()
        self.A = nn.Linear(hidden_size, hidden_size, bias=False)
        self.C = nn.Linear(2 * hidden_size, hidden_size, bias=False)

    def forward(self, h: Tensor, read: Tensor, counts: Tensor) -> Tensor:
        """h̃ (B, T, H) for the decoder's h (B, T, H).

        Args:
            h: hidden states of the decoder.
            read: hidden states of the encoder (B, S, H).
            counts: which of them may be looked at (B, S); at least one of each sequence.
        """
        scores = h @ self.A(read).transpose(1, 2)  # (B, T, S)
        c = scores.masked_fill(~counts[:, None], -math.inf).softmax(-1) @ read
        return torch.tanh(self.C(torch.cat([c, h], dim=-1)))
