"""One optimizer in place of several changes each weight as its own would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from seqlab.packs.models import stack
from seqlab.packs.optimizer import ELEMENTWISE, StackedOptimizer, parameters, settings

R = 3
MAKERS: list[Callable[..., Optimizer]] = [
    *(partial(kind, lr=0.1) for kind in ELEMENTWISE),
    partial(SGD, lr=0.1, momentum=0.9, nesterov=True),
    partial(Adam, lr=0.1, amsgrad=True),
    partial(AdamW, lr=0.1, fused=True, weight_decay=0.1),
]


def weights(i: int) -> list[nn.Parameter]:
    randomness = torch.Generator().manual_seed(i)
    return [nn.Parameter(torch.randn(2, 3, generator=randomness)), nn.Parameter(torch.randn(4, generator=randomness))]


def gradients(step: int) -> list[Tensor]:
    """The first lies in memory otherwise than its weight."""
    randomness = torch.Generator().manual_seed(100 + step)
    return [torch.randn(R, 3, 2, generator=randomness).mT, torch.randn(R, 4, generator=randomness)]


def steps_alone(optimizer: Optimizer, i: int, steps: Iterable[int]) -> None:
    for step in steps:
        for weight, gradient in zip(parameters(optimizer), gradients(step), strict=True):
            weight.grad = gradient[i].contiguous()
        optimizer.step()


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: f"{make.func.__name__} {sorted(make.keywords)}")
@pytest.mark.parametrize("before", [0, 3])
def test_each_is_changed_as_by_its_own(make: Any, before: int) -> None:
    """Weights and what is known of them, to the last bits, whether or not there was a step before."""
    alone, together = ([make(weights(i)) for i in range(R)] for _ in range(2))
    for i in range(R):
        steps_alone(alone[i], i, range(before + 4))
        steps_alone(together[i], i, range(before))
    stacks = [stack(own) for own in zip(*map(parameters, together), strict=True)]
    one = StackedOptimizer(together, stacks)
    for step in range(before, before + 4):
        one.step(gradients(step))
    one.part()
    for i in range(R):
        for weight, own in zip(stacks, parameters(alone[i]), strict=True):
            torch.testing.assert_close(weight[i], own.detach(), rtol=1e-6, atol=1e-7)
        known, expected = (list(each[i].state_dict()["state"].values()) for each in (together, alone))
        torch.testing.assert_close(known, expected, rtol=1e-6, atol=1e-7)


def test_a_schedule_is_followed() -> None:
    """The rate is that which the first of the optimizers has at the step."""
    own = [SGD(weights(i), lr=1.0) for i in range(R)]
    stacks = [stack(each) for each in zip(*map(parameters, own), strict=True)]
    before = [each.clone() for each in stacks]
    one = StackedOptimizer(own, stacks)
    own[0].param_groups[0]["lr"] = 0.5
    one.step(gradients(0))
    for weight, was, gradient in zip(stacks, before, gradients(0), strict=True):
        torch.testing.assert_close(weight, was - 0.5 * gradient)


def test_optimizers_are_alike_if_they_are_set_alike_and_as_far() -> None:
    """Rates and numbers of steps count; weights do not."""
    one, other, further, faster = (Adam(weights(i), lr=0.2 if i == 3 else 0.1) for i in range(4))
    steps_alone(further, 0, range(2))
    assert settings(one) == settings(other)
    assert settings(one) != settings(further)
    assert settings(one) != settings(faster)
