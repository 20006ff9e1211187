"""Gates that are computed a second time are those that the cell itself used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqlab.cells.gates import gates, saturation
from seqlab.cells.lstm_1997 import LSTM1997
from seqlab.cells.vanilla import VanillaRNN

B, D, H = 4, 3, 5


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def of_layer(cell: nn.Module, layer: int, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """W x + b and U h + b of a layer."""
    bias = [getattr(cell, f"bias_{kind}_l{layer}") if cell.bias else 0 for kind in ("ih", "hh")]
    return x @ getattr(cell, f"weight_ih_l{layer}").T + bias[0], h @ getattr(cell, f"weight_hh_l{layer}").T + bias[1]


@pytest.mark.parametrize("bias", [True, False])
def test_an_lstm_rebuilt_from_its_gates_is_the_lstm(bias: bool) -> None:
    """By c = f c + i tanh(g) and h = o tanh(c), in both layers."""
    cell = nn.LSTM(D, H, num_layers=2, bias=bias, batch_first=True).double()
    x, state = normal(B, 1, D), (normal(2, B, H, seed=1), normal(2, B, H, seed=2))
    _, (h_next, c_next) = cell(x, state)
    found = {name: values.unflatten(1, (2, H)).unbind(1) for name, values in gates(cell, x, state).items()}
    assert list(found) == ["input", "forget", "output"]
    below = x[:, 0]
    for layer, (i, f, o) in enumerate(zip(*found.values(), strict=True)):
        g = sum(of_layer(cell, layer, below, state[0][layer]))[:, 2 * H : 3 * H].tanh()
        torch.testing.assert_close(f * state[1][layer] + i * g, c_next[layer])
        torch.testing.assert_close(o * c_next[layer].tanh(), h_next[layer])
        below = h_next[layer]


@pytest.mark.parametrize("bias", [True, False])
def test_a_gru_rebuilt_from_its_gates_is_the_gru(bias: bool) -> None:
    """By h = (1 − z) tanh(n) + z h, where the reset gate lets the past into n, in both layers."""
    cell = nn.GRU(D, H, num_layers=2, bias=bias, batch_first=True).double()
    x, state = normal(B, 1, D), normal(2, B, H, seed=1)
    _, h_next = cell(x, state)
    found = {name: values.unflatten(1, (2, H)).unbind(1) for name, values in gates(cell, x, state).items()}
    assert list(found) == ["reset", "update"]
    below = x[:, 0]
    for layer, (r, z) in enumerate(zip(*found.values(), strict=True)):
        new, old = (part[:, 2 * H :] for part in of_layer(cell, layer, below, state[layer]))
        torch.testing.assert_close((1 - z) * (new + r * old).tanh() + z * state[layer], h_next[layer])
        below = h_next[layer]


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("feedback", [True, False])
def test_the_gates_of_1997_are_those_that_the_next_step_sees(feedback: bool, tokens: bool) -> None:
    """With feedback they stand in the state; without, they open h as it comes out."""
    cell = LSTM1997(D, 6, cells_per_block=3, init=1.0, feedback=feedback).double()
    x = torch.randint(D, (B, 1)) if tokens else normal(B, 1, D)
    state = (normal(B, 6, seed=1), normal(B, cell.units, seed=2)) if feedback else (normal(B, 6, seed=1),)
    h, after = cell(x, state)
    found = gates(cell, x, state)
    assert list(found) == ["input", "output"]
    if feedback:
        torch.testing.assert_close(torch.cat(list(found.values()), dim=1), after[1][:, 6:])
    opened = found["output"].repeat_interleave(3, dim=1) * (after[0] / 2).tanh()
    torch.testing.assert_close(opened, h[:, 0])
    assert list(gates(LSTM1997(D, 6, output_gate=False).double(), x, (state[0], normal(B, 12)))) == ["input"]


def test_a_cell_may_tell_its_own_gates_and_others_have_none() -> None:
    """By a method of that name."""
    told = {"leak": torch.ones(1)}
    cell = nn.RNN(D, H, batch_first=True)
    assert gates(cell, torch.zeros(1, 1, D), torch.zeros(1, 1, H)) == {}
    assert gates(VanillaRNN(D, H), torch.zeros(1, 1, D), torch.zeros(1, 1, H)) == {}
    cell.gates = lambda x, state: told
    assert gates(cell, torch.zeros(1, 1, D), torch.zeros(1, 1, H)) is told


def test_gates_that_are_shut_or_wide_open_are_saturated() -> None:
    """Karpathy, Johnson & Fei-Fei (2015): below 0.1, above 0.9; by biases that put them there."""
    assert saturation(torch.tensor([0.0, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0])) == (0.25, 0.375)
    cell = nn.LSTM(D, 4, batch_first=True)
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        cell.bias_ih_l0.copy_(torch.tensor([-9.0, -9, 0, 9, 9, 9, 9, 0, 0, 0, 0, 0, -9, -9, -9, -9]))
    found = gates(cell, torch.randn(B, 1, D), (torch.randn(1, B, 4), torch.randn(1, B, 4)))
    shares = {name: saturation(values) for name, values in found.items()}
    assert shares == {"input": (0.5, 0.25), "forget": (0.0, 0.75), "output": (1.0, 0.0)}
