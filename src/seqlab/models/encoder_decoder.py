"""One cell reads, another writes (Cho et al. 2014; Sutskever, Vinyals & Le 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqlab.cells.base import MakeCell, State
from seqlab.errors import ConfigError
from seqlab.heads import Readout
from seqlab.models.attention import GlobalAttention
from seqlab.models.coding import Coded
from seqlab.spec import IGNORE, DataSpec, Tokens

END = 0
"""The id of the target symbol that ends a sequence, and that the decoder is given to begin with."""

PADDING = 0
"""The id of the source symbol that stands before a source shorter than others."""


class EncoderDecoder(nn.Module):
    """Two cells of the same configuration; the encoder's last state is the decoder's first.

    Args:
        spec: the data's kinds and sizes.
        cell: builds a cell for an input size.
        embedding_size: the size of a learned vector per token, on both sides; ``None`` for one-hot tokens.
        bias: whether the readout has a bias.
        attention: whether each step of the decoder also looks at all that the encoder read, but the padding.

    Raises:
        ConfigError: the targets are not tokens that come after the inputs.
    """

    def __init__(
        self,
        spec: DataSpec,
        cell: MakeCell,
        embedding_size: int | None = None,
        bias: bool = True,
        attention: bool = False,
    ):
        super().__init__()
        if spec.loss_at != "after" or not isinstance(spec.targets, Tokens):
            raise ConfigError(
                "model EncoderDecoder writes tokens after it has read; the data asks for none. "
                "Leave task and model to the data set."
            )
        self.coded = Coded(spec.inputs, cell, embedding_size)
        self.decoder = Coded(spec.targets, cell, embedding_size)
        hidden_size = self.decoder.cell.hidden_size
        self.attend = GlobalAttention(hidden_size) if attention else None
        self.readout = Readout(hidden_size, spec.targets.size, bias)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits (B, T, K) with teacher forcing: each step is given the true symbol before it.

        Args:
            source: token ids (B, S), padded on the left.
            target: token ids (B, T); ``IGNORE`` after the end.
        """
        before = torch.cat([target.new_full((len(target), 1), END), target[:, :-1]], dim=1)
        read, state = self.coded(source)
        z, _ = self._write(before.where(before != IGNORE, END), state, read, source)
        return z

    @torch.no_grad()
    def decode(self, source: Tensor, steps: int) -> Tensor:
        """The greedy translation (B, steps): each step is given the likeliest symbol before it."""
        read, state = self.coded(source)
        symbol, written = source.new_full((len(source), 1), END), []
        for _ in range(steps):
            z, state = self._write(symbol, state, read, source)
            symbol = z.argmax(-1)
            written.append(symbol)
        return torch.cat(written, dim=1)

    def _write(self, before: Tensor, state: State, read: Tensor, source: Tensor) -> tuple[Tensor, State]:
        """Logits for the symbols after those given, and the decoder's state."""
        h, state = self.decoder(before, state)
        if self.attend is not None:
            h = self.attend(h, read, source != PADDING)
        return self.readout(h), state
