"""Recurrent weights by their names, and their spectral radii."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqlab.cells.attention import Attention
from seqlab.cells.lstm_1997 import LSTM1997
from seqlab.cells.recurrent import recurrent_weights, spectral_radii
from seqlab.cells.vanilla import VanillaRNN


def test_recurrent_weights_are_known_by_their_names() -> None:
    """U of our cells, weight_hh of PyTorch's, of all layers; none of a cell without a recurrence."""
    assert list(recurrent_weights(VanillaRNN(2, 3, num_layers=2))) == ["layers.0.U", "layers.1.U"]
    assert list(recurrent_weights(nn.LSTM(2, 3, num_layers=2))) == ["weight_hh_l0", "weight_hh_l1"]
    assert list(recurrent_weights(LSTM1997(2, 3))) == ["U"]
    assert not recurrent_weights(LSTM1997(2, 3, feedback=False))
    assert not recurrent_weights(Attention(2, 8))


def test_the_spectral_radius_of_each_block_of_rows_is_found() -> None:
    """Of ρ times a rotation it is ρ, though its eigenvalues are complex; of a triangle, the largest on the diagonal."""
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    triangle = torch.tensor([[-3.0, 5.0], [0.0, 2.0]])
    assert spectral_radii(torch.cat([1.5 * turn, triangle])) == [pytest.approx(1.5), pytest.approx(3.0)]


@pytest.mark.parametrize("U", [torch.randn(5, 2), torch.full((2, 2), torch.nan)])
def test_what_has_no_spectral_radius_has_none(U: torch.Tensor) -> None:
    """Rows that make no square blocks; numbers that are none."""
    assert spectral_radii(U) == []
