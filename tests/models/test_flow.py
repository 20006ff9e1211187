"""What is measured of the flow of errors, against closed forms and against autograd on whole sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqlab.cells.attention import Attention
from seqlab.cells.base import detach, map_state, tensors
from seqlab.cells.hmm import HMM
from seqlab.cells.irnn import irnn
from seqlab.cells.lstm import lstm
from seqlab.cells.lstm_1997 import LSTM1997
from seqlab.cells.vanilla import VanillaRNN
from seqlab.heads import cross_entropy
from seqlab.models.encoder_decoder import EncoderDecoder
from seqlab.models.flow import Flow, ending_together, horizon, measure
from seqlab.models.sequence import SequenceModel
from seqlab.models.steps import spaced
from seqlab.spec import IGNORE, DataSpec, Metric, Reals, Tokens

B, T, D, H = 5, 40, 3, 6


class ByHand(nn.Module):
    """A cell as one writes it: the last of its outputs, as it is, is its state."""

    hidden_size = H

    def __init__(self, input_size: int):
        super().__init__()
        self.W, self.U = nn.Linear(input_size, H), nn.Linear(H, H, bias=False)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        outputs, h = [], x.new_zeros(len(x), H) if h is None else h
        for x_t in x.unbind(1):
            h = torch.tanh(self.W(x_t) + self.U(h))
            outputs.append(h)
        return torch.stack(outputs, 1), h


SPEC = DataSpec(Reals(D), Reals(1), "last", Metric("mse", "min", ""))
PER_TOKEN = DataSpec(Tokens(D), Tokens(D), "every", Metric("nats", "min", ""))
CELLS = {
    "vanilla": partial(VanillaRNN, hidden_size=H, bias=True),
    "deep vanilla": partial(VanillaRNN, hidden_size=H, num_layers=2),
    "rnn": partial(nn.RNN, hidden_size=H, num_layers=2, batch_first=True),
    "irnn": partial(irnn, hidden_size=H),
    "gru": partial(nn.GRU, hidden_size=H, batch_first=True),
    "lstm": partial(lstm, hidden_size=H, num_layers=2, dropout=0.5),
    "lstm_1997": partial(LSTM1997, hidden_size=H, cells_per_block=2, init=0.5),
    "attention": partial(Attention, hidden_size=8, heads=2, window=5),
    "hmm": partial(HMM, hidden_size=H),
    "by hand": ByHand,
}


def flow_of(model: nn.Module, x: Tensor, y: Tensor, spec: DataSpec = SPEC) -> Flow:
    found = measure(model, partial(loss_of, model), (x, y), spec, B)
    assert found is not None
    return found


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    (z, _), y = model(batch[0]), batch[1]
    return F.mse_loss(z, y) if y.is_floating_point() else cross_entropy(z, y)


def still(make: Callable[[int], nn.Module]) -> tuple[SequenceModel, Tensor, Tensor]:
    """A model in double precision whose inputs are all zero, so that h stays where the biases put it."""
    torch.manual_seed(0)
    return SequenceModel(SPEC, make).double(), torch.zeros(B, T, D).double(), torch.randn(B, 1).double()


def orthogonal() -> Tensor:
    return torch.linalg.qr(torch.randn(H, H, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]


def cyclic() -> Tensor:
    return torch.eye(H, dtype=torch.float64).roll(1, 0)


@pytest.mark.parametrize("rho", [0.9, 1.0, 1.1])
@pytest.mark.parametrize(
    ("make", "Q", "b"),
    [
        (partial(VanillaRNN, hidden_size=H), orthogonal(), None),
        (partial(nn.RNN, hidden_size=H, bias=False, batch_first=True), orthogonal(), None),
        (partial(VanillaRNN, hidden_size=H, nonlinearity="relu", bias=True), cyclic(), 1.0),
        (partial(nn.RNN, hidden_size=H, nonlinearity="relu", batch_first=True), cyclic(), 1.0),
    ],
    ids=["vanilla at h = 0", "rnn at h = 0", "vanilla, relu", "rnn, relu"],
)
def test_a_linear_network_lets_through_rho_to_the_k(make: Callable, Q: Tensor, b: float | None, rho: float) -> None:
    """U = ρQ with Q orthogonal: a factor ρ for each step, to 1e-12 of it, for any lag; and its Jacobians say the same.

    tanh is linear where h = 0, and a rectifier where what comes in is positive, for which Q must be so too.
    """
    model, x, y = still(make)
    with torch.no_grad():
        for name, parameter in model.coded.cell.named_parameters():
            last = name.rpartition(".")[2]
            if last == "U" or last.startswith("weight_hh"):
                parameter.copy_(rho * Q)
            elif parameter.dim() == 1:
                parameter.fill_(b)
    found = flow_of(model, x, y)
    assert len(found.flow) == T
    for lag, value in enumerate(found.flow):
        assert value / found.flow[0] == pytest.approx(rho**lag, rel=1e-12)
    assert [radius for of_matrix in found.radius.values() for radius in of_matrix] == [pytest.approx(rho)]
    assert set(found.jacobian) == (set(spaced(T - 1)) if isinstance(model.coded.cell, VanillaRNN) else set())
    for lag, norm in found.jacobian.items():
        assert norm == pytest.approx(rho**lag, rel=1e-12)


@pytest.mark.parametrize("b", [-1.0, 1.0, 5.0])
def test_the_cell_path_of_an_lstm_lets_through_its_forget_gate_to_the_k(b: float) -> None:
    """With gates that see nothing, c hands on σ(b) of an error at each step, and h nothing at all."""
    model, x, y = still(partial(lstm, hidden_size=H, forget_bias=b))
    nn.init.zeros_(model.coded.cell.weight_hh_l0)
    found = flow_of(model, x, y)
    of_h, of_c = found.parts
    assert of_h == [0.0] * T
    for lag in range(1, T):
        assert of_c[lag] / of_c[1] == pytest.approx((1 / (1 + math.exp(-b))) ** (lag - 1), rel=1e-12)
    assert of_c[1:] == found.flow[1:]


def test_the_constant_error_carousel_is_constant() -> None:
    """The truncated gradient of 1997 leaves s alone, by which an error goes back unchanged."""
    model, x, y = still(partial(LSTM1997, hidden_size=H))
    found = flow_of(model, x, y)
    assert found.flow[1:] == pytest.approx([found.flow[1]] * (T - 1), rel=1e-12)
    assert found.flow[1] > 0


def inputs(name: str, steps: int = 12) -> tuple[Tensor, Tensor, DataSpec]:
    """Random sequences: real ones with an answer at the end, or tokens with one at each step for what reads those."""
    torch.manual_seed(1)
    if name == "hmm":
        return *torch.randint(D, (2, B, steps)).unbind(), PER_TOKEN
    return torch.randn(B, steps, D).double(), torch.randn(B, 1).double(), SPEC


def last_error(model: SequenceModel, x: Tensor, y: Tensor, state: object = None) -> Tensor:
    """The sum over sequences of E_T, from the fast form of the cell."""
    z, _ = model(x, state)
    return F.mse_loss(z, y) * len(x) if y.is_floating_point() else cross_entropy(z[:, -1], y[:, -1]) * len(x)


@pytest.mark.parametrize("name", CELLS)
def test_the_flow_is_the_gradient_of_the_last_error_with_respect_to_the_state(name: str) -> None:
    """At each lag, what autograd finds when the whole rest of the sequence is run at once from that state.

    At lag 0 it is what the readout says of h_T.
    """
    x, y, spec = inputs(name)
    torch.manual_seed(0)
    model = SequenceModel(spec, CELLS[name]).double()
    found = flow_of(model, x, y, spec)
    model.eval()
    h = model.coded(x)[0][:, -1].detach().requires_grad_()
    answer = y[:, -1] if spec is PER_TOKEN else y
    E = (cross_entropy if spec is PER_TOKEN else F.mse_loss)(model.readout(h), answer) * B
    assert found.flow[0] == pytest.approx(torch.autograd.grad(E, h)[0].norm(dim=1).mean().item(), rel=1e-9)
    assert all(part[0] == 0 for part in found.parts)
    for lag in range(1, x.shape[1]):
        _, state = model(x[:, :-lag])
        state = map_state(lambda part: part.detach().requires_grad_(part.is_floating_point()), state)
        parts = [part for part in tensors(state) if part.is_floating_point()]
        E = last_error(model, x[:, -lag:], y[:, -lag:] if spec is PER_TOKEN else y, state)
        gradients = torch.autograd.grad(E, parts, allow_unused=True, materialize_grads=True)
        axis = 0 if name in ("hmm", "lstm_1997", "attention", "by hand") else 1
        norms = torch.stack([gradient.movedim(axis, 0).flatten(1).norm(dim=1) for gradient in gradients])
        assert found.flow[lag] == pytest.approx(norms.norm(dim=0).mean().item(), rel=1e-9, abs=1e-14)
        assert [part[lag] for part in found.parts] == pytest.approx(norms.mean(1).tolist(), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_the_share_beyond_a_lag_is_what_truncated_backpropagation_misses(name: str) -> None:
    """∂E_T/∂U whole, less what is left of it where the state before the last k + 1 steps has no history, to 1e-10.

    So what all lags add comes to autograd's own ∂E_T/∂U, and each lag's is where it belongs.
    """
    x, y, spec = inputs(name)
    torch.manual_seed(0)
    model = SequenceModel(spec, CELLS[name]).double()
    found = flow_of(model, x, y, spec)
    model.eval()
    names = [n for n, _ in model.coded.cell.named_parameters() if n.endswith("U") or n.startswith("weight_hh")]
    U = [p for n, p in model.coded.cell.named_parameters() if (n in names if names else p.dim() > 1)]

    def gradient(steps: int) -> Tensor:
        state = detach(model(x[:, :-steps])[1]) if steps < x.shape[1] else None
        E = last_error(model, x[:, -steps:], y[:, -steps:] if spec is PER_TOKEN else y, state)
        found = torch.autograd.grad(E, U, allow_unused=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in found])

    whole = gradient(x.shape[1])
    assert sorted(found.beyond) == [0, 1, 2, 4, 8]
    for lag, share in found.beyond.items():
        assert share == pytest.approx(((whole - gradient(lag + 1)).norm() / whole.norm()).item(), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("attention", [False, True])
def test_lags_go_on_through_the_encoder(attention: bool) -> None:
    """Five steps of the decoder, then the encoder's nine; the state between them has the gradient that autograd finds.

    To attend to the source is a way back of its own, by which far more arrives at the first symbols.
    """
    torch.manual_seed(0)
    spec = DataSpec(Tokens(7), Tokens(6), "after", Metric("exact_match", "max", ""))
    model = EncoderDecoder(spec, partial(VanillaRNN, hidden_size=H), attention=attention).double()
    source, target = torch.randint(1, 7, (B, 9)), torch.randint(1, 6, (B, 8))
    target[:, 5:] = IGNORE
    found = measure(model, lambda batch: cross_entropy(model(*batch), batch[1]), (source, target), spec, B)
    assert found is not None
    assert len(found.flow) == 14
    assert sorted(found.radius) == ["coded.cell.layers.0.U", "decoder.cell.layers.0.U"]
    assert all(value > 0 for value in found.flow)

    read, state = model.coded(source)
    between = state.detach().requires_grad_()
    before = torch.cat([torch.zeros(B, 1, dtype=torch.int64), target[:, :4]], dim=1)
    z, _ = model._write(before, between, read.detach(), source)
    E = cross_entropy(z[:, -1], target[:, 4]) * B
    (gradient,) = torch.autograd.grad(E, between)
    through_state = gradient[0].norm(dim=1).mean().item()
    assert found.parts[0][5] == pytest.approx(through_state, rel=1e-12)
    assert (found.flow[5] > 1.01 * through_state) is attention


def test_only_the_last_answer_counts() -> None:
    """Targets of other steps change nothing; what comes after the last answer neither."""
    spec = DataSpec(Tokens(D), Tokens(D), "masked", Metric("accuracy", "max", ""))
    torch.manual_seed(0)
    model = SequenceModel(spec, partial(nn.GRU, hidden_size=H, batch_first=True)).double()
    x, y = torch.randint(D, (B, T)), torch.randint(D, (B, T))
    y[:, 30:] = IGNORE
    found = flow_of(model, x, y, spec)
    assert len(found.flow) == 30
    y[:, 10:25] = IGNORE
    y[:, :10] = (y[:, :10] + 1) % D
    again = flow_of(model, torch.cat([x[:, :30], x[:, 30:].flip(1)], dim=1), y, spec)
    assert again.flow == pytest.approx(found.flow, rel=1e-12)


def test_sequences_that_end_together_are_taken() -> None:
    """Those whose last answer is at the commonest step, up to n; all, where only the last step is read out."""
    x = torch.arange(5)[:, None].expand(5, 4)
    y = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0]])
    y[y == 0] = IGNORE
    (rows, targets), end, answers = ending_together((x, y), PER_TOKEN, 2)
    assert (rows[:, 0].tolist(), end, answers) == ([1, 2], 2, 4)
    assert torch.equal(targets, y[1:3])
    (rows, _), end, answers = ending_together((x, torch.zeros(5)), SPEC, 3)
    assert (rows[:, 0].tolist(), end, answers) == ([0, 1, 2], None, 3)
    _, end, answers = ending_together((x, torch.zeros(5, 4, 2)), PER_TOKEN, 3)
    assert (end, answers) == (3, 12)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ([1.0, 0.5, 0.009, 0.001], 2),
        ([4.0, 0.04, 0.039], 2),
        ([1.0, 0.001, 0.5, 0.001, 0.0], 3),
        ([1.0, 0.5, 0.02], None),
        ([1.0, 0.001, 0.02], None),
        ([1.0], None),
        ([1.0, 2.0, math.inf, math.nan], None),
        ([0.0, 0.0], None),
    ],
)
def test_the_horizon_is_where_the_flow_stays_below_one_percent(flow: list[float], expected: int | None) -> None:
    """One percent itself is not below; a dip does not count; what never gets there has no horizon."""
    assert horizon(flow) == expected


def test_measuring_changes_nothing() -> None:
    """Not the mode of a module, a weight, a gradient, the stream of random numbers, or what the model computes."""
    torch.manual_seed(0)
    model = SequenceModel(SPEC, partial(lstm, hidden_size=H, num_layers=2, dropout=0.5)).train()
    model.readout.eval()
    x, y = torch.randn(B, T, D), torch.randn(B, 1)
    loss_of(model, (x, y)).backward()
    before = [(p.clone(), p.grad.clone()) for p in model.parameters()]
    seeded = torch.get_rng_state()

    def noisy(batch: tuple[Tensor, Tensor]) -> Tensor:
        torch.rand(1)
        return loss_of(model, batch)

    with torch.inference_mode():
        measure(model, noisy, (x.clone(), y), SPEC, B)
    assert torch.equal(torch.get_rng_state(), seeded)
    assert model.coded.cell.training
    assert not model.readout.training
    assert "forward" not in vars(model.coded.cell)
    for parameter, (value, gradient) in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
        assert torch.equal(parameter.grad, gradient)
        assert parameter.requires_grad


class Beside(nn.Module):
    """Two cells that know nothing of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (SequenceModel(SPEC, partial(nn.RNN, hidden_size=H, batch_first=True)) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.one(x)[0] + self.two(x)[0], None


def test_a_model_whose_cells_are_not_one_chain_is_not_measured() -> None:
    """Neither two beside each other, nor none."""
    x, y = torch.randn(B, T, D), torch.randn(B, 1)
    for model in (Beside(), nn.Sequential(nn.Flatten(), nn.Linear(T * D, 1))):
        loss = lambda batch, model=model: F.mse_loss(torch.as_tensor(model(batch[0])[0]).sum(), batch[1].sum())  # noqa: E731
        assert measure(model, loss, (x, y), SPEC, B) is None
