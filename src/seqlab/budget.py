"""A fair size: the largest hidden size at which a cell, and the whole model around it, keep within a budget.

An LSTM of 64 units has four times the recurrent weights of a tanh RNN of 64; at one budget each has the units that it
can afford. To be counted, a model is built on PyTorch's meta device, where tensors have shapes and no numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from seqlab.cells.base import INPUT_SIZE, MakeCell, state_size
from seqlab.errors import ConfigError
from seqlab.ranges import RANGES

SMALLEST = 256
"""Below this a cell's smallest size is looked for."""
LIMIT = int(RANGES["cell.hidden_size"].high)
"""All sizes are below this."""

REFUSALS = (ValueError, ConfigError)
"""What says that a size cannot be: an attention's heads cannot share it, say."""

Costs = dict[str, int]
"""How many ``parameters`` a model has, and how large the ``state`` of its cell is."""


def parameters(module: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in module.parameters())


def smallest(cell: Callable[..., nn.Module]) -> MakeCell:
    """The cell at the smallest size that it accepts.

    Raises:
        ValueError, ConfigError: it accepts none, as it says itself.
    """
    size, _ = _first(1, SMALLEST, lambda size: {"parameters": parameters(cell(INPUT_SIZE, hidden_size=size))})
    return partial(cell, hidden_size=size)


def largest(cell: Callable[..., nn.Module], make_model: Callable[..., nn.Module], limits: Costs) -> MakeCell:
    """The cell at the largest size that it accepts and that costs no more than the limits.

    Args:
        cell: builds a cell for an input size and a hidden size. The larger the size, the more it costs; sizes that it
            refuses are passed over, if there is another one before twice the size.
        make_model: builds the whole model for a ``cell`` that needs an input size alone.
        limits: of one or both costs.

    Raises:
        ValueError: the smallest size costs more.
        ValueError, ConfigError: no size is accepted, as cell or model say themselves.
    """

    def costs(size: int) -> Costs:
        sized = partial(cell, hidden_size=size)
        count = {
            "parameters": lambda: parameters(make_model(cell=sized)),
            "state": lambda: state_size(sized(INPUT_SIZE), INPUT_SIZE),
        }
        return {name: count[name]() for name in limits}

    def affordable(first: int, end: int) -> int | None:
        """The first size of a range that is accepted, where it keeps within the limits."""
        try:
            size, cost = _first(first, min(end, LIMIT), costs)
        except REFUSALS:
            return None
        return size if all(cost[name] <= limits[name] for name in limits) else None

    size, cost = _first(1, SMALLEST, costs)
    for name, limit in limits.items():
        if cost[name] > limit:
            needs = f"hidden_size={size}, the smallest, takes {cost[name]:,}"
            raise ValueError(f"budget.{name}={limit} is too small for it: {needs}. Give at least that.")
    while (larger := affordable(2 * size, 4 * size)) is not None:
        size = larger
    end = 2 * size
    size += bisect_left(range(size, end), True, key=lambda size: affordable(size, end) is None) - 1
    return partial(cell, hidden_size=size)


def _first(first: int, end: int, costs: Callable[[int], Costs]) -> tuple[int, Costs]:
    """The first size of a range that is accepted, and what it costs."""
    refusal: Exception = ValueError(f"no hidden size from {first} to {end}")
    for size in range(first, end):
        try:
            return size, _counted(costs, size)
        except REFUSALS as error:
            refusal = error
    raise refusal


def _counted(costs: Callable[[int], Costs], size: int) -> Costs:
    """What a size costs, told by shapes alone, or with numbers where something cannot do without them."""
    try:
        with torch.device("meta"):
            return costs(size)
    except (RuntimeError, TypeError):
        return costs(size)
