"""Optimizers that are set alike, on weights that lie one beside the other, as one optimizer."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop

from seqlab.packs.models import stack

ELEMENTWISE = (SGD, Adam, AdamW, NAdam, RAdam, Adamax, Adagrad, RMSprop)
"""Those that change a weight by what they know of that weight alone."""


class StackedOptimizer:
    """One optimizer in place of several, from one look at them to the next.

    Args:
        own: the optimizers, of one of the ``ELEMENTWISE`` kinds and with the same ``settings``.
        weights: what each of them changes, in its order, stacked (R, …): a part of a larger stack, perhaps.
    """

    def __init__(self, own: Sequence[Optimizer], weights: Sequence[Tensor]):
        self.own: Sequence[Any] = own
        self.weights = [nn.Parameter(weight.detach()) for weight in weights]
        self.optimizer = copy.copy(own[0])
        left = iter(self.weights)
        self.optimizer.param_groups = [
            {**group, "params": [next(left) for _ in group["params"]]} for group in own[0].param_groups
        ]
        known = zip(*(_known(optimizer) for optimizer in own), strict=True)
        self.optimizer.state = defaultdict(
            dict, {w: _together(of_all, w) for w, of_all in zip(self.weights, known, strict=True) if of_all[0]}
        )

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Change the weights by their gradients, under the settings that the optimizers have now."""
        for group, own in zip(self.optimizer.param_groups, self.own[0].param_groups, strict=True):
            group.update(_settings(own))
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = None if gradient is None else _laid_as(weight, gradient)
        self.optimizer.step()
        for optimizer in self.own:
            optimizer._opt_called = True  # what a schedule asks for

    def part(self) -> None:
        """Each optimizer gets back what is known of its weights."""
        for i, own in enumerate(self.own):
            for weight, stacked in zip(parameters(own), self.weights, strict=True):
                if known := self.optimizer.state.get(stacked):
                    own.state[weight] = {name: _part(value, stacked, i) for name, value in known.items()}


def settings(optimizer: Optimizer) -> str:
    """All that optimizers must have in common to be one: what they are set to, and after how many steps."""
    steps = {float(known["step"]) for known in optimizer.state.values() if "step" in known}
    return repr(([_settings(group) for group in optimizer.param_groups], sorted(steps)))


def parameters(optimizer: Optimizer) -> Iterator[nn.Parameter]:
    """What it changes, in its order."""
    return (weight for group in optimizer.param_groups for weight in group["params"])


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _known(optimizer: Optimizer) -> list[Mapping[str, Any]]:
    return [optimizer.state.get(weight, {}) for weight in parameters(optimizer)]


def _together(known: Sequence[Mapping[str, Any]], weight: Tensor) -> dict[str, Any]:
    """What is known of one weight of each, stacked where it is as large as that."""
    one = weight[0].shape
    return {
        name: stack(each[name] for each in known) if _is_like(value, one) else copy.deepcopy(value)
        for name, value in known[0].items()
    }


def _part(value: Any, weight: Tensor, i: int) -> Any:
    return value[i].clone() if _is_like(value, weight.shape) else copy.deepcopy(value)


def _laid_as(weight: Tensor, gradient: Tensor) -> Tensor:
    """A gradient that lies in memory as its weight does, which fused optimizers take for granted."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


def _is_like(value: Any, shape: torch.Size) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0 and value.shape == shape
