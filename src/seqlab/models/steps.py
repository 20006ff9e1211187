"""A model whose cells are run step by step, so that what each step hands on can be looked at, and has a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqlab.cells.base import State, batch_axes, map_state, tensors
from seqlab.cells.recurrent import recurrent_weights


@dataclass
class Call:
    """A cell that was called once, and run step by step.

    Attributes:
        path: where it is in the model.
        cell: which it is.
        x: its inputs (B, T, D), or (B, T).
        given: the state that it was called with.
        axes: along which axis each tensor of its state has its sequences.
        handed: what each step handed on: h_t (B, 1, H), and the state.
        spans: how many steps each span has, the oldest first, and the recurrent weights that these used, by path.
    """

    path: str
    cell: nn.Module
    x: Tensor
    given: State
    axes: list[int | None]
    handed: list[tuple[Tensor, State]] = field(default_factory=list)
    spans: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)

    @property
    def parts(self) -> list[list[tuple[Tensor, int]]]:
        """Of each step h_t and the tensors of the state, each with the axis of its sequences; no counters."""
        axes = [0, *self.axes]
        steps = [zip((h, *tensors(state)), axes, strict=True) for h, state in self.handed]
        return [[(p, axis) for p, axis in step if axis is not None and p.is_floating_point()] for step in steps]


@contextmanager
def step_by_step(model: nn.Module) -> Iterator[list[Call]]:
    """While it lasts, the cells of a model are run step by step; gives the calls of them, as they are made.

    Nothing comes out other than before, to rounding. What a step hands on up and on are tensors apart, so each has the
    gradient of one way alone; and so do the recurrent weights of each span of steps, or all matrices of a cell that has
    none of that name.
    """
    calls: list[Call] = []
    with ExitStack() as patched:
        for cell, path in {cell: path for path, cell in cells(model)}.items():
            cell.forward = partial(_run, calls, path, _Steps(cell))
            patched.callback(delattr, cell, "forward")
        yield calls


def cells(model: nn.Module, above: str = "") -> Iterator[tuple[str, Any]]:
    """The cells of a model by their paths: what it, or a part of it, calls its ``cell``."""
    for name, part in model.named_children():
        if name == "cell":
            yield f"{above}{name}", part
        else:
            yield from cells(part, f"{above}{name}.")


def spaced(longest: int) -> list[int]:
    """The lags 0, 1, 2, 4, 8, … up to the longest."""
    return [0, *(2**i for i in range(longest.bit_length()))]


class _Steps(nn.Module):
    """The loop over a cell's steps."""

    def __init__(self, cell: nn.Module):
        super().__init__()
        self.cell = cell
        self.step: Callable[..., tuple[Tensor, State]] = cell.forward

    def forward(self, x: Tensor, state: State) -> list[tuple[Tensor, State]]:
        handed = []
        for x_t in x.split(1, dim=1):
            h, state = self.step(x_t, state)
            state = map_state(_apart, state)
            handed.append((_apart(h), state))
        return handed


def _apart(part: Tensor) -> Tensor:
    return part.view_as(part).requires_grad_(part.requires_grad or part.is_floating_point())


def _run(calls: list[Call], path: str, steps: _Steps, x: Tensor, state: State = None) -> tuple[Tensor, State]:
    """In place of the cell's own ``forward``."""
    call = Call(path, steps.cell, x, state, batch_axes(steps.step, x))
    calls.append(call)
    U = recurrent_weights(steps.cell) or {name: w for name, w in steps.cell.named_parameters() if w.dim() > 1}
    for part in x.split(_spans(x.shape[1]), dim=1):
        leaves = {f"cell.{name}": weight.detach().requires_grad_() for name, weight in U.items()}
        call.spans.append((part.shape[1], {f"{path}.{name}": leaf for name, leaf in leaves.items()}))
        call.handed += functional_call(steps, leaves, (part, state))
        state = call.handed[-1][1]
    return torch.cat([h for h, _ in call.handed], dim=1), state


def _spans(T: int) -> list[int]:
    """How many steps each span has, the oldest first, so that they end at lags that are spaced."""
    ends = [0, *(lag + 1 for lag in spaced(T - 1)), T]
    return [b - a for a, b in pairwise(ends) if b > a][::-1]
