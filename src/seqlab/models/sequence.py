"""One cell, read out at every step or at the last."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqlab.cells.base import MakeCell, State
from seqlab.errors import ConfigError
from seqlab.heads import Readout
from seqlab.models.coding import Coded
from seqlab.spec import DataSpec


class SequenceModel(nn.Module):
    """x → code → cell → readout.

    The readout may see the inputs beside the hidden states, as nets do whose layers are fed by all layers below.

    Args:
        spec: the data's kinds and sizes, and where its loss counts.
        cell: builds the cell for an input size.
        embedding_size: the size of a learned vector per token; ``None`` for one-hot tokens.
        bias: whether the readout has a bias.
        skip: whether the readout also sees the coded inputs.
        init: the readout's weights and bias are drawn from U(−init, init); ``None`` for U(−1/√H, 1/√H) and no bias yet.

    Raises:
        ConfigError: the targets come after the inputs.
    """

    def __init__(
        self,
        spec: DataSpec,
        cell: MakeCell,
        embedding_size: int | None = None,
        bias: bool = True,
        skip: bool = False,
        init: float | None = None,
    ):
        super().__init__()
        if spec.loss_at == "after":
            raise ConfigError(
                "model SequenceModel answers while it reads; the data asks for a sequence after that. "
                "Leave task and model to the data set."
            )
        self.coded = Coded(spec.inputs, cell, embedding_size)
        self.skip = skip
        seen = self.coded.cell.hidden_size + skip * self.coded.input_size
        self.readout = Readout(seen, spec.targets.size, bias, init)
        self.at_last = spec.loss_at == "last"

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Logits or reals, (B, T, K) or at the last step (B, K), and the state after the last step."""
        h, state = self._read(x, state)
        return self.readout(h), state

    def cross_entropy(self, x: Tensor, y: Tensor, state: State = None) -> tuple[Tensor, State]:
        """The mean cross-entropy of the answers in nats, whose logits are never there all at once; and the state.

        Args:
            x: inputs as ``forward`` takes them.
            y: target ids (B, T), or at the last step (B,).
            state: of the cell before the first step.
        """
        h, state = self._read(x, state)
        return self.readout.cross_entropy(h, y), state

    def _read(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """What the readout sees, (B, T, …) or at the last step (B, …)."""
        if self.at_last:
            h, state = self.coded.last(x, state)
            return torch.cat([h, self.coded.vectors(x[:, -1:])[:, 0]], dim=-1) if self.skip else h, state
        h, state = self.coded(x, state)
        return torch.cat([h, self.coded.vectors(x)], dim=-1) if self.skip else h, state
