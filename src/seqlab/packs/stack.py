"""Strides of several runs at once: their models as one, their optimizers as one, their batches one beside the other.

What they have in common is shapes. Data, weights, learning rates and limits are each run's own, and so is everything
that happens between two strides: rows, validations, checkpoints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqlab import strides
from seqlab.cells.base import State, batch_axes, like, map_state, tensors
from seqlab.data.base import Batch
from seqlab.packs.models import NotStackable, stacked
from seqlab.packs.optimizer import ELEMENTWISE, StackedOptimizer, parameters, settings
from seqlab.spec import IGNORE, DataSpec, Tokens
from seqlab.strides import StridingLoop

TOLERANCE = 1e-4
"""How far gradients may be from those that a run finds alone, as a share of the largest of them."""

Result = TypeVar("Result")


def kind(loop: StridingLoop) -> Hashable:
    """What is the same in runs that can stride together."""
    task, trainer = loop.task, loop.trainer
    shapes = tuple((name, weight.shape, weight.dtype) for name, weight in task.named_parameters())
    clips = trainer.gradient_clip_val is not None, trainer.gradient_clip_algorithm
    return type(task), type(task.model), task.spec.loss_at, task.device, shapes, type(loop.optimizer), clips


@torch.enable_grad()
def together(stack: Stack, ahead: int, tried: set[bool]) -> bool:
    """A stride of several runs, and whether gradients come out together as they do alone.

    From a step on that they cannot make together, each makes its steps alone: where the last step is at another place,
    where a loss is no number. Where a run fails, whose ``error`` says how, the stride ends.

    Args:
        stack: the runs.
        ahead: how many steps there may be.
        tried: of which of even and uneven batches of their kind that is known; the others are tried, before anything is
            learned.
    """
    end = time.monotonic() + strides.LONGEST
    for done in range(ahead):
        batches: list[Any] = [_attempt(loop, loop.begin) for loop in stack.loops]
        made = not stack.failed and stack.gradients(batches)
        agreed = not made or stack.even in tried or stack.agree(batches)
        if not (made and agreed):
            stack.part()
            for loop, batch in zip(stack.loops, batches, strict=True):
                if not loop.error:
                    _attempt(loop, partial(strides.step, loop, batch))
            for loop in stack.loops:
                if not loop.error:
                    _attempt(loop, partial(strides.alone, loop, ahead - done - 1, len(stack.loops)))
            return agreed
        tried.add(stack.even)
        for loop in stack.loops:
            _attempt(loop, loop.before)
        stack.learn()
        for loop, batch in zip(stack.loops, batches, strict=True):
            loop.task.count(batch)
            _attempt(loop, partial(loop.end, stack.loss))
        if stack.failed or time.monotonic() > end:
            break
    stack.part()
    return True


def _attempt(loop: StridingLoop, call: Callable[[], Result]) -> Result | None:
    """What a run does by itself; where it fails, that is its own affair."""
    try:
        return call()
    except Exception as error:
        loop.error = loop.error or error
        return None


class Stack:
    """Models, optimizers and states of some runs of one kind, together.

    Args:
        loops: of the runs.

    Attributes:
        loops: the same, those beside each other whose optimizers are set alike.
        loss: the mean loss of all, at the last step.
        found: the gradients by the optimizers' weights, stacked, at the last step.
        even: whether the batches of the last step are of one length, and the same positions count in all.

    Raises:
        NotStackable: their models or optimizers cannot be computed together.
    """

    loss: Tensor
    found: tuple[Tensor, ...]
    even: bool

    def __init__(self, loops: Sequence[StridingLoop]):
        if type(loops[0].optimizer) not in ELEMENTWISE:
            raise NotStackable(f"{type(loops[0].optimizer).__name__} looks at more than one weight at a time")
        self.loops = sorted(loops, key=_settings)
        self.tasks = [loop.task for loop in self.loops]
        self.lead = self.tasks[0]
        self.model = stacked([task.model for task in self.tasks])
        names = {weight: name for name, weight in self.lead.model.named_parameters()}
        self.weights = [self.model.get_parameter(names[weight]) for weight in parameters(self.loops[0].optimizer)]
        self.shares = [slice(own[0], own[-1] + 1) for own in self._alike()]
        self.optimizers = [
            StackedOptimizer([loop.optimizer for loop in self.loops[share]], [weight[share] for weight in self.weights])
            for share in self.shares
        ]
        self.axes = _axes(self.lead.model, self.lead.spec)
        self.state = self._joined()

    @property
    def failed(self) -> bool:
        """Whether one of the runs has."""
        return any(loop.error for loop in self.loops)

    def gradients(self, batches: Sequence[Batch]) -> bool:
        """Find the gradients of all, and whether they could be found together."""
        joined = self._batch(batches)
        if joined is None:
            return False
        lead, own, carried = self.lead, self.lead.model, self.lead.carried
        lead.model, lead.carried = self.model, {"train": self.state}
        try:
            loss = lead.loss(joined, "train")
            state = lead.carried["train"]
        finally:
            lead.model, lead.carried = own, carried
        if not loss.isfinite():
            return False
        self.found = torch.autograd.grad(loss * len(batches), self.weights)  # of the sum of all that are means
        self.state, self.loss = state, loss.detach()
        return True

    def agree(self, batches: Sequence[Batch]) -> bool:
        """Whether the gradients that were found are those that each run finds alone."""
        for i, (loop, batch) in enumerate(zip(self.loops, batches, strict=True)):
            carried = dict(loop.task.carried)
            alone = torch.autograd.grad(loop.task.loss(batch, "train"), list(parameters(loop.optimizer)))
            loop.task.carried = carried
            for found, gradient in zip(self.found, alone, strict=True):
                if (found[i] - gradient).abs().max() > TOLERANCE * gradient.abs().max():
                    return False
        return True

    def learn(self) -> None:
        """Clip the gradients of each run, and change its weights by them."""
        gradients = self._clipped(self.found)
        for share, optimizer in zip(self.shares, self.optimizers, strict=True):
            optimizer.step([gradient[share] for gradient in gradients])
        for loop in self.loops:
            loop.packed = max(loop.packed, len(self.loops))
            loop.learnt()

    @torch.no_grad()
    def part(self) -> None:
        """Each run gets back its weights, what its optimizer knows, and its state."""
        for i, loop in enumerate(self.loops):
            for own, weight in zip(parameters(loop.optimizer), self.weights, strict=True):
                own.copy_(weight[i])
                own.grad = None
        for optimizer in self.optimizers:
            optimizer.part()
        if self.state is not None:
            parts = [p.chunk(len(self.tasks), axis) for p, axis in zip(tensors(self.state), self.axes, strict=True)]
            for task, states in zip(self.tasks, zip(*parts, strict=True), strict=True):
                task.carried["train"] = like(self.state, (part.clone() for part in states))

    def _alike(self) -> list[list[int]]:
        """Runs whose optimizers are set alike, by number."""
        return [list(own) for _, own in groupby(range(len(self.loops)), lambda i: _settings(self.loops[i]))]

    def _batch(self, batches: Sequence[Batch]) -> Batch | None:
        """Sequences beside each other; shorter ones are filled up where what comes behind them does not count."""
        (xs, ys), spec = zip(*batches, strict=True), self.lead.spec
        if len({(x.shape, y.shape) for x, y in batches}) == 1:
            self.even = spec.loss_at in ("every", "last") or _same_count(ys)
            return torch.cat(xs), torch.cat(ys)
        if spec.loss_at != "masked" or spec.carried or ys[0].is_floating_point():
            return None
        self.even = False
        return _filled(xs, 0), _filled(ys, IGNORE)

    def _clipped(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        """As ``nn.utils.clip_grad_norm_`` and ``clip_grad_value_`` clip those of one net; two may be one tensor."""
        trainers = [loop.trainer for loop in self.loops]
        if trainers[0].gradient_clip_val is None:
            return gradients
        limits = gradients[0].new_tensor([trainer.gradient_clip_val for trainer in trainers])
        if trainers[0].gradient_clip_algorithm == "value":
            return [gradient.clamp(-_beside(limits, gradient), _beside(limits, gradient)) for gradient in gradients]
        norms = [torch.linalg.vector_norm(gradient, dim=tuple(range(1, gradient.dim()))) for gradient in gradients]
        shares = (limits / (torch.linalg.vector_norm(torch.stack(norms), dim=0) + 1e-6)).clamp(max=1.0)
        return [gradient * _beside(shares, gradient) for gradient in gradients]

    def _joined(self) -> State:
        """The states that are carried along, one beside the other; zeros for those that are not there yet."""
        states = [task.carried.get("train") for task in self.tasks]
        known = next((state for state in states if state is not None), None)
        if known is None:
            return None
        parts = [tensors(map_state(torch.zeros_like, known) if state is None else state) for state in states]
        return like(known, map(torch.cat, zip(*parts, strict=True), self.axes))


def _same_count(ys: Sequence[Tensor]) -> bool:
    """Whether the same positions count in all."""
    counts = torch.stack(list(ys)) != IGNORE
    return bool((counts == counts[0]).all())


def _filled(parts: Sequence[Tensor], value: int) -> Tensor:
    """Parts (B, T, …) of any lengths below each other (R B, longest T, …)."""
    return pad_sequence([part.transpose(0, 1) for part in parts], padding_value=value).flatten(1, 2).transpose(0, 1)


def _settings(loop: StridingLoop) -> str:
    """What optimizers must have in common to be one, and to stay so while their schedules go on."""
    schedules = [each.scheduler.state_dict() for each in loop.trainer.lr_scheduler_configs]
    return settings(loop.optimizer) + repr(schedules)


def _axes(model: torch.nn.Module, spec: DataSpec) -> list[int]:
    """Along which axis each tensor of the state has its sequences, where a state is carried along."""
    if not spec.carried:
        return []
    x = torch.zeros(1, 1, dtype=torch.int64) if isinstance(spec.inputs, Tokens) else torch.zeros(1, 1, spec.inputs.size)
    device = next(model.parameters()).device
    axes = batch_axes(model, x.to(device))
    if None in axes:
        raise NotStackable("its state is not one for each sequence")
    return [axis for axis in axes if axis is not None]


def _beside(each: Tensor, weights: Tensor) -> Tensor:
    """A number for each net, with as many axes as its stacked weights."""
    return each.view(-1, *[1] * (weights.dim() - 1))
