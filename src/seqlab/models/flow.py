"""How the error of a sequence's last answer flows back through time: for any cell, without knowing its inside.

A cell is run step by step, h_t, state_t = cell(x_t, state_{t−1}), so that what a step hands on has a gradient of its
own: h_t to the layers above, the state to the next step. T is the step of the last answer that counts, E_T its error::

    flow at lag k         ‖∂E_T/∂(h_{T−k}, state_{T−k})‖₂                 of one sequence; mean over sequences
    share beyond lag k    ‖Σ_{j>k} G_j‖ / ‖Σ_j G_j‖                       G_j: what step T−j adds to ∂E_T/∂U
    Jacobian at lag k     ‖∂h_T/∂h_{T−k}‖₂ = ‖J_T J_{T−1} … J_{T−k+1}‖₂   where the cell tells J_t = ∂h_t/∂h_{t−1}

At lag 0 the flow is ‖∂E_T/∂h_T‖, what the readout sends into the cell. Further back only what went through the state is
left (Hochreiter 1991; Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013). Where an encoder hands its state
to a decoder, lags go on through the encoder; attention to what was read is another way back, and counts too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.cells.base import like, tensors
from seqlab.cells.gates import gates, saturation
from seqlab.cells.recurrent import recurrent_weights, spectral_radii
from seqlab.models.steps import Call, spaced, step_by_step
from seqlab.spec import IGNORE, DataSpec

PRODUCTS, WIDEST = 4, 256
"""Of how many sequences Jacobians are multiplied, and how many numbers a state may have for that."""

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""


@dataclass(frozen=True)
class Flow:
    """What was measured on some sequences.

    Attributes:
        sequences: how many.
        flow: at lags 0, 1, 2, …; mean over sequences.
        parts: of that, what goes through each tensor of the state: for an LSTM h and c. Nothing at lag 0.
        beyond: the share of ∂E_T/∂U that comes from beyond a lag.
        jacobian: the norm of the product of Jacobians at a lag, mean over a few sequences; empty where the cell does
            not tell them.
        radius: the spectral radii of each recurrent matrix, by its path.
        saturation: of each gate the share of values that are as good as closed, and as good as open.
    """

    sequences: int
    flow: list[float]
    parts: list[list[float]]
    beyond: dict[int, float]
    jacobian: dict[int, float]
    radius: dict[str, list[float]]
    saturation: dict[str, tuple[float, float]]


def measure(model: nn.Module, loss: Callable[[Batch], Tensor], batch: Batch, spec: DataSpec, n: int) -> Flow | None:
    """The flow through a model on up to n sequences of a batch; nothing of the model is changed.

    Args:
        model: maps inputs to outputs, (B, T, K) or of the last step (B, K), alone or with a state.
        loss: its mean loss on a batch, which calls the model.
        batch: the sequences; of them those that end together are taken.
        spec: where the loss counts.
        n: at most so many sequences.

    Returns:
        ``None`` where the model has no cell, or its cells do not hand on one state.
    """
    with _untouched(model):
        (x, y), end, answers = ending_together(batch, spec, n)
        with step_by_step(model) as calls, _answering_once(model, end):
            E = loss((x, y)) * answers  # a sum over sequences
        if not calls or any(call.given is None for call in calls[1:]):
            return None
        calls[-1].handed = calls[-1].handed[: None if end is None else end + 1]
        flow, parts, beyond = _swept(E, calls)
        with torch.no_grad():
            jacobian = _products(calls[0]) if len(calls) == 1 else {}
            return Flow(len(x), flow, parts, beyond, jacobian, _radii(calls), _saturated(calls))


def horizon(flow: Sequence[float], threshold: float = 0.01) -> int | None:
    """The first lag from which on the flow stays below a share of what it is at lag 0.

    ``None`` where it never does: the horizon is then at least as far as was looked, to lag ``len(flow) - 1``.
    """
    gone = 1 + max((lag for lag, value in enumerate(flow) if not value < threshold * flow[0]), default=0)
    return gone if gone < len(flow) else None


def ending_together(batch: Batch, spec: DataSpec, n: int) -> tuple[Batch, int | None, int]:
    """Up to n sequences of a batch whose last answer is at the same step, that at which most of them have it.

    Returns:
        Their inputs and targets; the step, ``None`` where only one is read out; how many answers count.
    """
    x, y = batch
    if spec.loss_at == "last":
        return (x[:n], y[:n]), None, len(x[:n])
    asked = torch.ones_like(y[..., 0], dtype=torch.bool) if y.is_floating_point() else y != IGNORE
    ends = asked.cumsum(1).argmax(1)
    end = int(ends.mode().values)
    rows = (ends == end).nonzero()[:n, 0]
    return (x[rows], y[rows]), end, int(asked[rows].sum())


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """As in an evaluation, but with gradients; modes and random numbers are as before afterwards."""
    modes = {module: module.training for module in model.modules()}
    devices = {parameter.device.index for parameter in model.parameters() if parameter.is_cuda}
    model.eval()
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.random.fork_rng(devices),
            torch.backends.cudnn.flags(enabled=False),  # cuDNN keeps no gradients in an evaluation
        ):
            yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _answering_once(model: nn.Module, end: int | None) -> Iterator[None]:
    """While it lasts, a model's outputs have no gradient but at one step."""
    if end is None:
        yield
        return

    def alone(_model: nn.Module, _arguments: Any, output: Any) -> Any:
        z, *rest = output if isinstance(output, tuple) else (output,)
        here = torch.arange(z.shape[1], device=z.device) == end
        z = torch.where(here[:, None], z, z.detach())
        return (z, *rest) if rest else z

    hook = model.register_forward_hook(alone)
    try:
        yield
    finally:
        hook.remove()


def _swept(E: Tensor, calls: Sequence[Call]) -> tuple[list[float], list[list[float]], dict[int, float]]:
    """The flow, its parts, and the shares of ∂E_T/∂U, by all gradients at once."""
    steps = [step for call in calls for step in call.parts]
    spans = [span for call in calls for span in call.spans]
    wanted = [part for step in steps for part, _ in step] + [leaf for _, leaves in spans for leaf in leaves.values()]
    found = iter(torch.autograd.grad(E, wanted, allow_unused=True, materialize_grads=True))
    norms = torch.stack([torch.stack([_norms(next(found), axis) for _, axis in step]) for step in steps])
    norms = norms.flip(0)  # (n, 1 + P, B)

    total: dict[str, Any] = defaultdict(float)
    of_total, lag = {}, len(steps) - 1
    for length, leaves in spans:
        for path in leaves:
            total[path] = total[path] + next(found)
        lag -= length
        of_total[lag] = math.hypot(*(float(_norms(G[None], 0)) for G in total.values()))
    whole = of_total[lag]
    beyond = {k: norm / whole for k, norm in of_total.items() if k >= 0 and whole > 0}
    return norms.norm(dim=1).mean(1).tolist(), norms[:, 1:].mean(2).T.tolist(), beyond


def _norms(gradient: Tensor, axis: int) -> Tensor:
    """Of each sequence, in double precision: squares of what has vanished are too small for single."""
    return gradient.movedim(axis, 0).flatten(1).double().norm(dim=1)


def _products(call: Call) -> dict[int, float]:
    """The norms of products of Jacobians at spaced lags, where the cell tells these and they are small enough."""
    tell, T, n = getattr(call.cell, "jacobian", None), len(call.handed), min(PRODUCTS, len(call.x))
    parts = call.parts
    if tell is None or sum(part.numel() for part, _ in parts[0][1:]) > WIDEST * len(call.x):
        return {}
    norms, product, asked = {0: 1.0}, None, spaced(T - 1)
    for lag in range(1, asked[-1] + 1):
        t = T - lag  # counted from 0
        before = like(call.handed[t - 1][1], [part.narrow(axis, 0, n) for part, axis in parts[t - 1][1:]])
        J = tell(call.x[:n, t, None], before).double()
        product = J if product is None else product @ J
        if lag in asked:
            norms[lag] = float(torch.linalg.matrix_norm(product, 2).mean())
    return norms


def _radii(calls: Sequence[Call]) -> dict[str, list[float]]:
    weights = {(call.path, name): U for call in calls for name, U in recurrent_weights(call.cell).items()}
    return {f"{path}.{name}": spectral_radii(U) for (path, name), U in weights.items()}


def _saturated(calls: Sequence[Call]) -> dict[str, tuple[float, float]]:
    """Of the gates of all cells, in all steps but the first."""
    values: dict[str, list[Tensor]] = defaultdict(list)
    for call in calls:
        states = [state for _, state in call.handed[:-1]]
        if states and gates(call.cell, call.x[:, 1:2], states[0]):
            parts = zip(zip(*map(tensors, states), strict=True), call.axes, strict=True)
            before = like(states[0], [part[0] if axis is None else torch.cat(part, axis) for part, axis in parts])
            x = call.x[:, 1 : len(states) + 1].transpose(0, 1).flatten(0, 1)[:, None]
            for name, gate in gates(call.cell, x, before).items():
                values[name].append(gate.flatten())
    return {name: saturation(torch.cat(gate)) for name, gate in values.items()}
