"""PyTorch's own cells, as their YAML makes them, keep the contract."""

from __future__ import annotations

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from seqlab.cells.base import MakeCell, check, state_size
from seqlab.cells.irnn import irnn
from seqlab.cells.lstm import lstm
from seqlab.errors import ConfigError
from seqlab.plugins import conf_dir
from seqlab.testing import CellTests


def from_yaml(name: str, **changes: object) -> MakeCell:
    return instantiate(OmegaConf.merge(OmegaConf.load(conf_dir() / "cell" / f"{name}.yaml"), changes))


class TestRNN(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return from_yaml("rnn", hidden_size=6)(input_size)


class TestGRU(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return from_yaml("gru", hidden_size=6)(input_size)


class TestLSTM(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return from_yaml("lstm", hidden_size=6, num_layers=2)(input_size)


class TestIRNN(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return from_yaml("irnn", hidden_size=6, num_layers=2)(input_size)


def test_lstm_is_the_real_one_with_its_forget_gates_opened() -> None:
    """Only the forget gates' biases differ from PyTorch's own initialisation."""
    torch.manual_seed(0)
    plain = nn.LSTM(3, 5, batch_first=True)
    torch.manual_seed(0)
    ours = lstm(3, 5, forget_bias=1.0)
    assert type(ours) is nn.LSTM
    bias = ours.bias_ih_l0 + ours.bias_hh_l0
    assert bias[5:10].tolist() == [1.0] * 5
    assert torch.equal(ours.weight_ih_l0, plain.weight_ih_l0)
    assert torch.equal(bias[10:], (plain.bias_ih_l0 + plain.bias_hh_l0)[10:])


def test_chrono_spreads_the_memories_of_all_layers_up_to_their_length() -> None:
    """e^b of the forget gates is uniform in [1, T − 1], −b is the input gates' bias; the default forget bias gives way."""
    torch.manual_seed(0)
    cell = from_yaml("lstm", hidden_size=500, num_layers=2, chrono=100)(3)
    for layer in (0, 1):
        bias = cell.get_parameter(f"bias_ih_l{layer}") + cell.get_parameter(f"bias_hh_l{layer}")
        input_gate, forget_gate, *_ = bias.detach().chunk(4)
        assert torch.equal(input_gate, -forget_gate)
        memory = forget_gate.exp()
        assert 1 <= memory.min() < 3
        assert 97 < memory.max() <= 99.001
        assert memory.mean().item() == pytest.approx(50, abs=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"chrono": 1}, "chrono=1 .* at least 2"), ({"chrono": 9, "bias": False}, "bias=true"), ({"bias": False}, "null")],
)
def test_a_start_that_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    """A memory below two steps; biases where there are none."""
    with pytest.raises(ValueError, match=message):
        lstm(3, 5, **{"forget_bias": 1.0, **options})


def test_irnn_is_torchs_and_copies_its_state_at_the_start() -> None:
    """U is the identity, b is zero, and W is small: without input a state stays what it is, for any number of steps."""
    torch.manual_seed(0)
    cell = irnn(50, 60, num_layers=2)
    assert type(cell) is nn.RNN
    h_0 = torch.rand(2, 3, 60)
    _, last = cell(torch.zeros(3, 40, 50), torch.cat([h_0[:1], torch.zeros(1, 3, 60)]))
    assert torch.equal(last[0], h_0[0])
    for layer in (0, 1):
        assert cell.get_parameter(f"weight_ih_l{layer}").std().item() == pytest.approx(0.001, rel=0.1)
        assert torch.equal(cell.get_parameter(f"weight_hh_l{layer}"), torch.eye(60))


def test_state_size_counts_everything_that_is_remembered() -> None:
    """An LSTM remembers c as well as h, and each layer its own."""
    assert state_size(from_yaml("rnn", hidden_size=7)(2), 2) == 7
    assert state_size(from_yaml("lstm", hidden_size=7, num_layers=3)(2), 2) == 42


def test_a_cell_that_forgot_batch_first_is_named() -> None:
    """The message says which YAML, which class, what came and what was expected."""
    with pytest.raises(
        ConfigError, match=r"cell=mine: .*Odd .*returned h \(3, 2, 4\).*expected \(B, T, H\) = \(2, 3, 4\)"
    ):
        check(lambda size: Odd(size), "mine")


class Odd(nn.Module):
    """Gives its outputs time first."""

    hidden_size = 4

    def __init__(self, size: int):
        super().__init__()
        self.inner = nn.RNN(size, 4, batch_first=True)

    def forward(self, x, state=None):
        h, state = self.inner(x, state)
        return h.transpose(0, 1), state


def test_a_cell_without_a_width_is_named() -> None:
    """hidden_size is part of the contract."""
    with pytest.raises(ConfigError, match=r"cell=mine: .*Linear has no integer attribute hidden_size"):
        check(lambda size: nn.Linear(size, 3), "mine")
