"""The contract of a cell: ``h, state = cell(x, state=None)``.

Shapes, batch first: x is (B, T, D), h is (B, T, H), and ``cell.hidden_size`` is H. The state is opaque: tensors, or
tuples of tensors, that the same cell takes back; their shapes do not depend on how many steps were read. ``nn.RNN``,
``nn.GRU`` and ``nn.LSTM`` keep the contract with ``batch_first=True``.

A cell whose input weights are a table may set ``takes_tokens = True``: it then also takes token ids, x (B, T) of int64,
because W x_t for a one-hot x_t *is* a column of W. One that can do better where the last hidden state alone is wanted
may have ``h_T, state = cell.last(x, state=None)``, with h_T (B, H), and may tell by ``cell.reach`` through how many
steps the last gradient came that went back from there. One that can be computed in several ways tells
which by ``engine_for(like)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from seqlab.errors import ConfigError

State = Any
"""Whatever a cell carries from one step to the next: a tensor, or a tuple of states; ``None`` is the zero state."""


class Cell(Protocol):
    """What a model needs of a cell."""

    hidden_size: int

    def __call__(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Hidden states (B, T, H) for inputs (B, T, D), and the state after the last step."""
        ...


class Engine(NamedTuple):
    """What computes a cell.

    Attributes:
        name: as it is chosen.
        why: why it is this one.
    """

    name: str
    why: str


MakeCell = Callable[[int], nn.Module]
"""A cell's configuration: everything is chosen but the size of its input."""

INPUT_SIZE = 5
"""The size of the inputs that a cell is tried on."""


def tensors(state: State) -> Iterator[Tensor]:
    """The tensors that a state is made of."""
    if isinstance(state, Tensor):
        yield state
    elif state is not None:
        for part in state:
            yield from tensors(part)


def map_state(change: Callable[[Tensor], Tensor], state: State) -> State:
    """The state with each of its tensors changed."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else change(state)
    return tuple(map_state(change, part) for part in state)


def detach(state: State) -> State:
    """The same numbers without their history: where truncated BPTT cuts."""
    return map_state(Tensor.detach, state)


def like(state: State, parts: Iterable[Tensor]) -> State:
    """A state of the same form, made of other tensors."""
    others = iter(parts)
    return map_state(lambda _: next(others), state)


def batch_axes(cell: Callable[..., tuple[Tensor, State]], x: Tensor) -> list[int | None]:
    """Along which axis each tensor of a cell's state has its sequences; ``None`` where it knows none.

    Args:
        cell: whose state it is.
        x: inputs of at least one sequence and step, of which the first is tried alone and twice.
    """
    once = x[:1, :1]
    with torch.no_grad():
        shapes = [[part.shape for part in tensors(cell(tried)[1])] for tried in (once, torch.cat([once, once]))]
    pairs = zip(*shapes, strict=True)
    return [next((i for i, (a, b) in enumerate(zip(one, two, strict=True)) if a != b), None) for one, two in pairs]


def takes_tokens(cell: nn.Module) -> bool:
    """Whether the cell takes token ids in place of one-hot vectors."""
    return bool(getattr(cell, "takes_tokens", False))


def engine(cell: nn.Module, like: Tensor) -> Engine | None:
    """What computes a cell where numbers are of the type and on the device of ``like``; ``None`` without a choice."""
    return cell.engine_for(like) if hasattr(cell, "engine_for") else None  # type: ignore[operator]


def state_size(cell: nn.Module, input_size: int) -> int:
    """The number of real numbers that the cell remembers of one sequence."""
    parameter = next(cell.parameters(), torch.zeros(()))
    with torch.no_grad():
        _, state = cell(torch.zeros(1, 1, input_size, dtype=parameter.dtype, device=parameter.device))
    return sum(part.numel() for part in tensors(state))


def check(make: MakeCell, name: str) -> tuple[int, int]:
    """Try a cell on a batch of two sequences of three steps; its hidden size and its state size if it passes.

    Args:
        make: builds the cell for an input size.
        name: the cell's option, for the message.

    Raises:
        ConfigError: the cell breaks the contract; the message names its YAML and its class.
    """
    B, T, D = 2, 3, INPUT_SIZE
    cell = make(D)
    blame = f"cell={name}: {type(cell).__module__}.{type(cell).__qualname__}"
    H = getattr(cell, "hidden_size", None)
    if not isinstance(H, int):
        raise ConfigError(f"{blame} has no integer attribute hidden_size; a cell must say how wide h is.")
    inputs = [torch.zeros(B, T, D)] + [torch.zeros(B, T, dtype=torch.int64)] * takes_tokens(cell)
    for x in inputs:
        try:
            h, state = cell(x)
            h_again, _ = cell(x, detach(state))
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{blame} does not compute h, state = cell(x, state) for x {tuple(x.shape)}: {error}"
            ) from error
        for got in (h, h_again):
            if not isinstance(got, Tensor) or got.shape != (B, T, H):
                shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
                raise ConfigError(
                    f"{blame} returned h {shape} for x {tuple(x.shape)}; expected (B, T, H) = {(B, T, H)}."
                )
    return H, state_size(cell, D)
