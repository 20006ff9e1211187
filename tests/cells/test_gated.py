"""LSTM and GRU with their loops in C are PyTorch's own, in every number."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqlab.cells import spans
from seqlab.cells.base import State, tensors
from seqlab.cells.gated import by_hand, native
from seqlab.cells.gates import gates
from seqlab.cells.gru_native import NativeGRU
from seqlab.cells.lstm import lstm
from seqlab.cells.lstm_native import NativeLSTM
from seqlab.models.sequence import SequenceModel
from seqlab.native import Unavailable
from seqlab.spec import Classes, DataSpec, Metric, Reals
from seqlab.testing import CellTests

SINGLE = 2e-6
"""How far numbers may be from those in double precision, as a share of the largest of them, or of what PyTorch's are."""
KINDS = [(NativeLSTM, nn.LSTM), (NativeGRU, nn.GRU)]
by_c = pytest.mark.skipif("no C compiler" in native.obstacle("LSTM", torch.zeros(1)), reason="needs a C compiler")
pairs = pytest.mark.parametrize(("kind", "torchs"), KINDS)

SIZES = [
    (4, 11, 6, 5, 1),
    (1, 3, 100, 7, 2),
    (2, 5, 64, 2, 1),
    (13, 9, 50, 5, 3),
    (37, 6, 17, 4, 2),
    (12, 3, 1, 1, 1),
]
"""B, T, H, K and layers: whole vectors and parts of one, few rows and many, one tile and several."""


class TestNativeLSTM(CellTests):
    dtype = torch.float32

    def make(self, input_size: int) -> nn.Module:
        return NativeLSTM(input_size, hidden_size=6, num_layers=2, forget_bias=1.0)


class TestNativeGRU(CellTests):
    dtype = torch.float32

    def make(self, input_size: int) -> nn.Module:
        return NativeGRU(input_size, hidden_size=6, num_layers=2)


class TestNativeLSTMInDoublePrecision(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return NativeLSTM(input_size, hidden_size=6)


class TestNativeGRUInDoublePrecision(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return NativeGRU(input_size, hidden_size=6, bias=False)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(B: int, T: int, K: int, tokens: bool) -> Tensor:
    if tokens:
        return torch.randint(K, (B, T), generator=torch.Generator().manual_seed(1))
    return normal(B, T, K, seed=1)


def begun(cell: nn.RNNBase, B: int) -> State:
    """States that are not zero."""
    h, c = (normal(cell.num_layers, B, cell.hidden_size, seed=seed) / 2 for seed in (2, 3))
    return (h, c) if cell.mode == "LSTM" else h


def results(cell: nn.RNNBase, x: Tensor, state: State, last: bool = False) -> list[Tensor]:
    """Hidden states, the state, and the gradients of everything that has one."""
    like = cell.weight_hh_l0
    leaves = [part.detach().to(like).requires_grad_() for part in tensors(state)]
    reals = [x.to(like).requires_grad_()] if x.is_floating_point() else []
    x = reals[0] if reals else x
    if type(cell) in (nn.LSTM, nn.GRU) and not reals:
        x = nn.functional.one_hot(x, cell.input_size).to(like)
    given = tuple(leaves) if cell.mode == "LSTM" else leaves[0]
    h, after = cell.last(x, given) if last else cell(x, given)
    told = [h, *tensors(after)]
    E = sum((part * normal(*part.shape, seed=5 + i).to(like)).sum() for i, part in enumerate(told))
    return [part.detach() for part in told] + list(torch.autograd.grad(E, [*cell.parameters(), *leaves, *reals]))


def twin(cell: nn.RNNBase, kind: type) -> nn.RNNBase:
    """PyTorch's own with the same weights."""
    made = kind(cell.input_size, cell.hidden_size, cell.num_layers, bias=cell.bias, batch_first=True)
    made.load_state_dict(cell.state_dict())
    return made


def distance(found: list[Tensor], exact: list[Tensor]) -> float:
    return max(float((a - b).detach().abs().max() / b.detach().abs().max()) for a, b in zip(found, exact, strict=True))


@by_c
@pairs
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("B", "T", "H", "K", "layers"), SIZES)
def test_numbers_are_those_of_torch(
    kind: type, torchs: type, tokens: bool, bias: bool, B: int, T: int, H: int, K: int, layers: int
) -> None:
    """From the same weights: states, the last state and every gradient are as exact as PyTorch's own."""
    torch.manual_seed(0)
    cell = kind(K, H, layers, bias=bias)
    x, state = inputs(B, T, K, tokens), begun(cell, B)
    exact = results(twin(cell, torchs).double(), x, state)
    allowed = max(SINGLE, 2 * distance(results(twin(cell, torchs), x, state), exact))
    assert distance(results(cell, x, state), exact) < allowed


@by_c
@pairs
@pytest.mark.parametrize("last", [False, True])
def test_steps_that_are_taken_some_at_a_time_are_those_of_one_pass(
    kind: type, torchs: type, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the last span is shorter than the others."""
    torch.manual_seed(0)
    cell, x = kind(3, 20), inputs(5, 11, 3, False)
    whole = results(cell, x, begun(cell, 5), last)
    monkeypatch.setattr(spans, "ROOM", 3 * 4 * 5 * 20)
    assert distance(results(cell, x, begun(cell, 5), last), whole) < SINGLE


@by_c
@pairs
def test_threads_share_the_sequences(kind: type, torchs: type) -> None:
    """Each takes its own through the steps."""
    torch.manual_seed(0)
    cell, x = kind(3, 20), inputs(14, 30, 3, False)
    before = torch.get_num_threads()
    alone = results(cell, x, begun(cell, 14))
    torch.set_num_threads(3)
    try:
        shared = results(cell, x, begun(cell, 14))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(alone[0], shared[0])
    assert distance(shared, alone) < SINGLE


@by_c
@pairs
def test_the_last_state_alone_is_that_of_all(kind: type, torchs: type) -> None:
    """``last`` gives what ``forward`` ends with, and the same gradients, through several layers."""
    torch.manual_seed(0)
    cell, x, found = kind(3, 20, 2), inputs(5, 40, 3, False), []
    for alone in (True, False):
        x.requires_grad_()
        h, state = cell.last(x) if alone else (cell(x)[0][:, -1], cell(x)[1])
        found.append([h, *tensors(state), *torch.autograd.grad(h.square().sum(), [*cell.parameters(), x])])
    assert distance(*found) < SINGLE


@by_c
@pairs
def test_what_is_left_out_of_the_way_back_is_nothing(kind: type, torchs: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a gradient has vanished to zero the way ends, and the sums are those of going on."""
    monkeypatch.setattr(spans, "LOOK", 10)
    torch.manual_seed(0)
    cell, x = kind(3, 20), inputs(5, 400, 3, False).requires_grad_()
    with torch.no_grad():
        for weight in cell.parameters():
            weight *= 0.3
    backwards, taken = native.NativeScans.backwards, []
    monkeypatch.setattr(
        native.NativeScans, "backwards", lambda self, *a: (taken.append(len(a[0])), backwards(self, *a))
    )
    found = []
    for alone in (True, False):
        h = cell.last(x)[0] if alone else cell(x)[0][:, -1]
        found.append(torch.autograd.grad(h.sum(), [*cell.parameters(), x]))
    assert sum(taken) < 400 + 250
    assert distance(*found) < SINGLE
    assert not found[0][-1][:, 0].any()


@by_c
@pairs
def test_squashing_is_exact_wherever_it_goes(kind: type, torchs: type) -> None:
    """Units far beyond their bounds give what PyTorch gives, and one that is not a number shows."""
    cell = kind(1, 1, bias=False)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.fill_(1.0)
    x = torch.cat([torch.linspace(-30, 30, 4001), torch.tensor([-1e30, -100.0, -0.0, 1e-30, 100.0, 1e30])])[
        :, None, None
    ]
    torch.testing.assert_close(cell(x)[0], twin(cell, torchs)(x)[0], rtol=2e-6, atol=1e-7)
    assert cell(torch.full((1, 1, 1), math.nan))[0].isnan().all()


@pairs
@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_torch_computes(kind: type, torchs: type) -> None:
    """The same numbers to the last bit as PyTorch's own, and it says why."""
    torch.manual_seed(0)
    cell = kind(4, 5, 2)
    assert cell.engine_for(torch.zeros(1)) == ("torch", "native is not to be had: no C compiler is installed")
    for tokens in (False, True):
        x = inputs(3, 6, 4, tokens)
        found, expected = (results(one, x, begun(cell, 3)) for one in (cell, twin(cell, torchs)))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(cell.last(x)[0], cell(x)[0][:, -1])


@by_c
@pairs
def test_it_computes_in_c_in_single_precision_alone(kind: type, torchs: type) -> None:
    """In another precision PyTorch does."""
    cell = kind(4, 5)
    assert cell.engine_for(torch.zeros(1)).name == "native"
    assert cell.engine_for(torch.zeros(1, dtype=torch.float64)).name == "torch"
    x, state = inputs(3, 6, 4, False), begun(cell, 3)
    both = (results(one.double(), x, state) for one in (cell, twin(cell, torchs)))
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))


@by_c
@pytest.mark.parametrize("mode", ["LSTM", "GRU"])
def test_a_library_that_computes_something_else_is_not_used(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried against PyTorch before it is trusted, and no random number is drawn for that."""
    before = torch.get_rng_state()
    native.native_scans.__wrapped__(mode)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.inference_mode(), torch.autocast("cpu"):
        native.native_scans.__wrapped__(mode)
    monkeypatch.setattr(native, "weights", lambda cell, layer: [1.01 * part for part in by_hand.weights(cell, layer)])
    with pytest.raises(Unavailable, match="its results are wrong on this machine"):
        native.native_scans.__wrapped__(mode)


@by_c
@pairs
def test_gradients_from_above_may_lie_in_memory_as_they_like(kind: type, torchs: type) -> None:
    """Transposed, or the same number everywhere."""
    torch.manual_seed(0)
    cell, x = kind(3, 6), normal(4, 5, 3)
    for read in (lambda h: h.mT * normal(*h.mT.shape, seed=1), lambda h: h):
        found = []
        for one in (cell, twin(cell, torchs)):
            h, state = one(x)
            E = sum(read(part).sum() for part in (h, *tensors(state)))
            found.append(torch.autograd.grad(E, list(one.parameters())))
        assert distance(*found) < SINGLE


@by_c
@pairs
def test_gradients_have_no_gradient(kind: type, torchs: type) -> None:
    """It says so, where one is asked for."""
    cell = kind(3, 4)
    (dU,) = torch.autograd.grad(cell(normal(2, 3, 3))[0].square().sum(), cell.weight_hh_l0, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dU.sum().backward()


@by_c
@pairs
def test_gradients_may_be_asked_for_twice(kind: type, torchs: type) -> None:
    """Nothing that the way back needs is used up."""
    cell = kind(3, 4)
    h, _ = cell(normal(2, 3, 3))
    first = torch.autograd.grad(h.sum(), list(cell.parameters()), retain_graph=True)
    again = torch.autograd.grad(h.sum(), list(cell.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pairs
def test_gates_are_told_for_token_ids(kind: type, torchs: type) -> None:
    """As for the unit vectors that they stand for, and as of PyTorch's own."""
    torch.manual_seed(0)
    cell = kind(4, 5, 2)
    x, state = inputs(3, 1, 4, True), begun(cell, 3)
    expected = gates(twin(cell, torchs), nn.functional.one_hot(x, 4).float(), state)
    found = gates(cell, x, state)
    assert list(found) == list(expected)
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name])


def test_an_lstm_starts_as_the_other_does() -> None:
    """The same draws: forget gates opened, or memories up to a length."""
    for options in ({}, {"forget_bias": 1.0}, {"chrono": 50}):
        cells = []
        for make in (lstm, NativeLSTM):
            torch.manual_seed(0)
            cells.append(make(3, 5, num_layers=2, **options))
        for a, b in zip(*(cell.parameters() for cell in cells), strict=True):
            assert torch.equal(a, b)


@pairs
def test_dropout_acts_between_layers_and_only_while_training(kind: type, torchs: type) -> None:
    """A single layer has nothing to drop; two layers do, in training mode."""
    x = inputs(3, 6, 4, False)
    deep = kind(4, 5, 2, dropout=0.5)
    assert not torch.equal(deep(x)[0], deep(x)[0])
    deep.eval()
    assert torch.equal(deep(x)[0], deep(x)[0])


@pairs
def test_a_model_that_answers_at_the_end_asks_for_the_last_state(kind: type, torchs: type) -> None:
    """In training; the loss and its gradients are those of PyTorch's cell."""
    spec, x, y = (
        DataSpec(Reals(2), Classes(3), "last", Metric("loss", "min", "nats")),
        normal(4, 9, 2),
        torch.arange(4) % 3,
    )
    found = []
    for one in (kind, lambda K, H: torchs(K, H, batch_first=True)):
        torch.manual_seed(0)
        model = SequenceModel(spec, lambda K, one=one: one(K, 6))
        E, _ = model.cross_entropy(x, y)
        found.append([E, *torch.autograd.grad(E, list(model.parameters()))])
    assert distance(*found) < SINGLE
