"""PyTorch's own cells, as their YAML makes them, keep the contract."""

from __future__ import annotations

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from seqlab.cells.base import MakeCell, check, state_size
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
