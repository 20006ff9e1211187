"""How inputs reach a cell: as they are, as token ids, one-hot, or through a learned embedding."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from seqlab.cells.base import MakeCell, takes_tokens
from seqlab.errors import ConfigError
from seqlab.nets import places
from seqlab.spec import Kind, Tokens


class OneHot(nn.Module):
    """Token ids (B, T) as unit vectors (B, T, K)."""

    like: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("like", nn.Parameter().detach(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Unit vectors in the model's precision."""
        return F.one_hot(x, self.size).to(self.like.dtype)


class Embedding(nn.Embedding):
    """A learned vector for each token."""

    stacks = True  # as seqlab.nets has it

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (B, T, D) for token ids (B, T)."""
        return F.embedding(places(x.T, self.weight), self.weight.flatten(0, -2)).transpose(0, 1)


class Coded(nn.Module):
    """A cell, and before it whatever its inputs need: ``h, state = coded(x, state)`` for x of the data's own kind.

    Args:
        inputs: the kind and size of the inputs.
        make_cell: builds the cell for an input size.
        embedding_size: the size of a learned vector per token; ``None`` for one-hot tokens.

    Attributes:
        input_size: the size of a coded input.

    Raises:
        ConfigError: an embedding is asked for inputs that are not tokens.
    """

    def __init__(self, inputs: Kind, make_cell: MakeCell, embedding_size: int | None):
        super().__init__()
        if embedding_size and not isinstance(inputs, Tokens):
            raise ConfigError(
                f"model.embedding_size={embedding_size}: the inputs are real-valued; only tokens are embedded."
            )
        self.input_size = embedding_size or inputs.size
        self.cell: Any = make_cell(self.input_size)
        self.code: nn.Module = nn.Identity()
        if embedding_size:
            self.code = Embedding(inputs.size, embedding_size)
        elif isinstance(inputs, Tokens) and not takes_tokens(self.cell):
            self.code = OneHot(inputs.size)

    def forward(self, x: Tensor, state: object = None) -> tuple[Tensor, object]:
        """Hidden states (B, T, H) and the state after the last step."""
        return self.cell(self.code(x), state)

    def last(self, x: Tensor, state: object = None) -> tuple[Tensor, object]:
        """The last hidden state alone (B, H), and the state after it.

        By the cell's own ``last``, if any, while training; in an evaluation all hidden states can be looked at.
        """
        if self.training and hasattr(self.cell, "last"):
            return self.cell.last(self.code(x), state)
        h, state = self(x, state)
        return h[:, -1], state

    def vectors(self, x: Tensor) -> Tensor:
        """The inputs as vectors (B, T, input_size), also where the cell takes token ids."""
        coded = self.code(x)
        return coded if coded.is_floating_point() else F.one_hot(coded, self.input_size).float()
