"""The hand-written BPTT against everything that should agree with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import reference
from seqlab.cells.vanilla import VanillaRNN
from seqlab.heads import Readout, cross_entropy
from seqlab.testing import CellTests

B, T, K, H = 4, 11, 5, 6
EXACT = {"rtol": 0.0, "atol": 1e-12}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class TestVanilla(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return VanillaRNN(input_size, hidden_size=6)


class TestDeepVanillaWithBias(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return VanillaRNN(input_size, hidden_size=6, num_layers=2, bias=True)


class TestReLU(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return VanillaRNN(input_size, hidden_size=6, nonlinearity="relu", bias=True)


def twins(nonlinearity: str, bias: bool, num_layers: int) -> tuple[VanillaRNN, nn.RNN]:
    """Our cell and PyTorch's, with the same weights."""
    ours = VanillaRNN(K, H, num_layers, nonlinearity=nonlinearity, bias=bias).double()
    theirs = nn.RNN(K, H, num_layers, nonlinearity=nonlinearity, bias=bias, batch_first=True).double()
    with torch.no_grad():
        for depth, layer in enumerate(ours.layers):
            getattr(theirs, f"weight_ih_l{depth}").copy_(layer.W)
            getattr(theirs, f"weight_hh_l{depth}").copy_(layer.U)
            if bias:
                getattr(theirs, f"bias_ih_l{depth}").copy_(layer.b)
                getattr(theirs, f"bias_hh_l{depth}").zero_()
    return ours, theirs


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_outputs_and_gradients_equal_those_of_torch(nonlinearity: str, bias: bool, num_layers: int) -> None:
    """From the same weights, inputs and carried state: h, the last state, and every gradient, to 1e-12."""
    ours, theirs = twins(nonlinearity, bias, num_layers)
    results = []
    for cell in (ours, theirs):
        x = normal(B, T, K, seed=1).requires_grad_()
        h_0 = normal(num_layers, B, H, seed=2).requires_grad_()
        h, last = cell(x, h_0)
        ((h * normal(B, T, H, seed=3)).sum() + (last * normal(num_layers, B, H, seed=4)).sum()).backward()
        results.append((h, last, x.grad, h_0.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, **EXACT)
    for depth, layer in enumerate(ours.layers):
        torch.testing.assert_close(layer.W.grad, getattr(theirs, f"weight_ih_l{depth}").grad, **EXACT)
        torch.testing.assert_close(layer.U.grad, getattr(theirs, f"weight_hh_l{depth}").grad, **EXACT)
        if bias:
            torch.testing.assert_close(layer.b.grad, getattr(theirs, f"bias_ih_l{depth}").grad, **EXACT)


def test_loss_and_gradients_equal_the_slow_twin() -> None:
    """Cell, readout, softmax and cross-entropy together, against plain NumPy loops."""
    torch.manual_seed(0)
    cell, readout = VanillaRNN(K, H).double(), Readout(H, K, bias=False).double()
    ids, answers = torch.randint(K, (1, T)), torch.randint(K, (1, T))
    h_0 = normal(1, 1, H).requires_grad_()
    h, _ = cell(ids, h_0)
    E = cross_entropy(readout(h), answers) * T
    E.backward()

    layer = cell.layers[0]
    W, U, V = (weight.detach().numpy() for weight in (layer.W, layer.U, readout.V))
    x, y = (np.vstack([np.zeros(K), np.eye(K)[numbers[0].numpy()]]) for numbers in (ids, answers))
    h_slow, y_hat = reference.forward(x, W, U, V, h_0.detach().numpy()[0, 0])
    slow = reference.backward(x, y, h_slow, y_hat, W, U, V)
    np.testing.assert_allclose(h[0].detach(), h_slow[1:], rtol=0, atol=1e-12)
    assert E.item() == pytest.approx(reference.loss(y_hat, y), abs=1e-12)
    for name, gradient in (("W", layer.W.grad), ("U", layer.U.grad), ("V", readout.V.grad), ("h_0", h_0.grad[0, 0])):
        np.testing.assert_allclose(gradient, slow[name], rtol=0, atol=1e-12, err_msg=name)


def test_the_worked_example() -> None:
    """docs/worked-example.md: four scalar steps, a logistic readout, and the loss at step 3, in closed form."""
    x, W, U, V, y_3 = [0.5, -1.0, 0.25, 2.0], 0.8, -0.6, 1.5, 1.0
    h = [math.tanh(W * x[0])]
    for k in (1, 2, 3):
        h.append(math.tanh(W * x[k] + U * h[k - 1]))
    y_hat_3 = 1 / (1 + math.exp(-V * h[3]))
    d = [0.0] * 4
    d[3] = (y_hat_3 - y_3) * V * (1 - h[3] ** 2)
    for k in (2, 1, 0):
        d[k] = d[k + 1] * U * (1 - h[k] ** 2)
    dV = (y_hat_3 - y_3) * h[3]
    dW = sum(d[k] * x[k] for k in range(4))
    dU = sum(d[k] * h[k - 1] for k in range(1, 4))  # h_{−1} = 0

    cell, readout = VanillaRNN(1, 1).double(), Readout(1, 1, bias=False).double()
    with torch.no_grad():
        for parameter, value in ((cell.layers[0].W, W), (cell.layers[0].U, U), (readout.V, V)):
            parameter.fill_(value)
    states, _ = cell(torch.tensor(x, dtype=torch.float64).reshape(1, 4, 1))
    loss = F.binary_cross_entropy_with_logits(readout(states[0, 3]), torch.tensor([y_3], dtype=torch.float64))
    loss.backward()
    assert states.flatten().tolist() == pytest.approx(h, abs=1e-15)
    found = [cell.layers[0].W.grad, cell.layers[0].U.grad, readout.V.grad]
    assert [g.item() for g in found] == pytest.approx([dW, dU, dV], abs=1e-15)
    assert [dW, dU, dV] == pytest.approx([-0.1634, -0.0849, -0.1856], abs=5e-5)  # as printed in the page


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_jacobian_of_a_step_equals_autograds(nonlinearity: str, num_layers: int) -> None:
    """∂h_t/∂h_{t−1} of all layers in one, also where a layer's past reaches the layers above it, for reals and ids."""
    torch.manual_seed(0)
    cell = VanillaRNN(K, H, num_layers, nonlinearity=nonlinearity, bias=True).double()
    state = normal(num_layers, B, H, seed=1)
    for x in (normal(B, 1, K), torch.randint(K, (B, 1))):
        found = cell.jacobian(x, state)
        assert found.shape == (B, num_layers * H, num_layers * H)
        for i in range(B):
            step = lambda h, i=i, x=x: cell(x[i : i + 1], h.view(num_layers, 1, H))[1].flatten()  # noqa: E731
            expected = torch.autograd.functional.jacobian(step, state[:, i].flatten())
            torch.testing.assert_close(found[i], expected, **EXACT)


def test_dropout_acts_between_layers_and_only_while_training() -> None:
    """A single layer has nothing to drop; two layers do, in training mode."""
    x = normal(B, T, K)
    deep = VanillaRNN(K, H, num_layers=2, dropout=0.5).double()
    assert not torch.equal(deep(x)[0], deep(x)[0])
    deep.eval()
    assert torch.equal(deep(x)[0], deep(x)[0])
    single = VanillaRNN(K, H, dropout=0.5).double()
    assert torch.equal(single(x)[0], single(x)[0])


def test_the_last_state_alone_is_that_of_all() -> None:
    """``last`` gives what ``forward`` ends with, and the same gradients, through several layers."""
    results = []
    for alone in (False, True):
        torch.manual_seed(0)
        cell = VanillaRNN(K, H, num_layers=2, bias=True).double()
        x = normal(B, T, K, seed=1).requires_grad_()
        h_T, state = cell.last(x) if alone else (cell(x)[0][:, -1], cell(x)[1])
        (h_T**3).sum().backward()
        results.append((h_T, state, x.grad, *(parameter.grad for parameter in cell.parameters())))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, **EXACT)


@pytest.mark.parametrize(
    "wrong",
    [{"hidden_size": 0}, {"nonlinearity": "sine"}, {"dropout": 1.0}, {"num_layers": 0}, {"engine": "cudnn"}],
)
def test_impossible_arguments_are_refused(wrong: dict[str, object]) -> None:
    """A size below one, another nonlinearity or engine, a share of one."""
    with pytest.raises(ValueError, match=r"must be"):
        VanillaRNN(**{"input_size": 2, "hidden_size": 3, **wrong})
