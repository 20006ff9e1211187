"""The LSTM of 1997: its published sizes, its equations written out unit by unit, and its truncated gradient."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqlab.cells.base import state_size
from seqlab.cells.lstm_1997 import LSTM1997
from seqlab.testing import CellTests

B, T, D = 3, 9, 4
EXACT = {"rtol": 0.0, "atol": 1e-12}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class TestBlocksOfTwo(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return LSTM1997(input_size, 6, cells_per_block=2)


class TestGatesAloneBiased(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return LSTM1997(input_size, 4, bias="gates", input_gate_bias=[-1, -2, -3, -4], init=0.2)


class TestLongLag(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return LSTM1997(
            input_size, 2, output_gate=False, feedback=False, g="logistic", h="identity", bias="none", init=0.2
        )


class TestFullGradient(CellTests):
    def make(self, input_size: int) -> nn.Module:
        return LSTM1997(input_size, 6, cells_per_block=3, truncated=False)


@pytest.mark.parametrize(
    ("experiment", "inputs", "options", "readout", "published"),
    [
        ("1, 4 × 1", 7, {"hidden_size": 4, "bias": "gates"}, 4 * 7, 264),
        ("1, 3 × 2", 7, {"hidden_size": 6, "cells_per_block": 2, "bias": "gates"}, 6 * 7, 276),
        (
            "2a, p = 100",
            101,
            {"hidden_size": 1, "output_gate": False, "feedback": False, "bias": "none"},
            (101 + 1) * 101,  # its outputs see the inputs too
            10504,
        ),
        ("2c, p = 50", 54, {"hidden_size": 2, "bias": "none"}, 2 * 2, 364),
        ("3a", 1, {"hidden_size": 3}, 3, 102),
        ("4", 2, {"hidden_size": 4, "cells_per_block": 2}, 4 + 1, 93),
        ("6a", 8, {"hidden_size": 4, "cells_per_block": 2}, 4 * 4 + 4, 156),
        ("6b", 8, {"hidden_size": 6, "cells_per_block": 2}, 6 * 8 + 8, 308),
    ],
)
def test_a_net_has_as_many_weights_as_in_the_paper(
    experiment: str, inputs: int, options: dict[str, Any], readout: int, published: int
) -> None:
    """Tables 1 to 9 of Hochreiter & Schmidhuber (1997); those of the readout are added."""
    assert sum(p.numel() for p in LSTM1997(inputs, **options).parameters()) + readout == published, experiment


def unit_by_unit(
    cell: LSTM1997, x: Tensor, s: Tensor, y: Tensor, g: str, h: str, truncated: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The paper's equations, one unit at a time: h (B, T, H), and s and y of the last step."""
    form, H = cell.form, cell.hidden_size
    outputs = []
    for x_t in x.unbind(1):
        before = y.detach() if truncated else y

        def net(unit: int, x_t: Tensor = x_t, before: Tensor = before) -> Tensor:
            total = (x_t * cell.W[unit]).sum(-1)
            if cell.U is not None:
                total = total + (before * cell.U[unit]).sum(-1)
            return total if cell.b is None or unit >= len(cell.b) else total + cell.b[unit]

        gates = [torch.sigmoid(net(unit)) for unit in range(form.gates)]
        new_s, new_h = [], []
        for j in range(H):
            block = j // form.cells
            logistic = torch.sigmoid(net(form.gates + j))
            new_s.append(s[:, j] + gates[block] * (4 * logistic - 2 if g == "centred" else logistic))
            squashed = 2 * torch.sigmoid(new_s[-1]) - 1 if h == "centred" else new_s[-1]
            new_h.append(squashed * gates[form.blocks + block] if form.output_gate else squashed)
        s = torch.stack(new_s, -1)
        y = torch.stack([*new_h, *gates], -1)
        outputs.append(y[:, :H])
    return torch.stack(outputs, 1), s, y


FORMS = [
    {"output_gate": output_gate, "g": g, "h": h, "bias": bias}
    for output_gate, g, h, bias in product([True, False], ["centred", "logistic"], ["centred", "identity"], ["all"])
] + [{"bias": "gates"}, {"bias": "none"}, {"feedback": False}, {"feedback": False, "output_gate": False}]


@pytest.mark.parametrize("truncated", [True, False])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_outputs_and_gradients_equal_those_of_the_equations(options: dict[str, Any], truncated: bool) -> None:
    """h, the state and every gradient, from a carried state; truncated: with the activations of the past cut off."""
    torch.manual_seed(0)
    cell = LSTM1997(D, 6, cells_per_block=2, init=1.0, truncated=truncated, **options).double()
    results = []
    for by_hand in (False, True):
        cell.zero_grad()
        x, s_0, y_0 = (
            part.requires_grad_() for part in (normal(B, T, D), normal(B, 6, seed=1), normal(B, cell.units, seed=2))
        )
        if by_hand:
            h, s, y = unit_by_unit(cell, x, s_0, y_0, cell.form.g, cell.form.h, truncated)
        else:
            h, (s, *rest) = cell(x, (s_0, y_0) if cell.U is not None else (s_0,))
            y = rest[0] if rest else h[:, -1]
        loss = (h * normal(*h.shape, seed=3)).sum() + (s * normal(*s.shape, seed=4)).sum()
        if cell.U is not None:
            loss = loss + (y * normal(*y.shape, seed=5)).sum()
        loss.backward()
        y_0_grad = y_0.grad if y_0.grad is not None else torch.zeros_like(y_0)
        results.append([h, s, x.grad, s_0.grad, y_0_grad, *(p.grad for p in cell.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


def test_an_error_comes_back_through_the_carousel_unchanged() -> None:
    """∂s_T/∂s_0 = 1 after a thousand steps, whatever came in between."""
    cell = LSTM1997(D, 4, cells_per_block=2, init=1.0).double()
    s_0 = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    _, (s, _) = cell(normal(1, 1000, D), (s_0, torch.zeros(1, cell.units, dtype=torch.float64)))
    s.sum().backward()
    assert s_0.grad.tolist() == [[1.0] * 4]


def test_truncation_changes_the_gradient_and_nothing_else() -> None:
    """Both forms compute the same h; what the paper leaves out is not zero."""
    torch.manual_seed(0)
    cell = LSTM1997(D, 4, init=1.0).double()
    outputs, gradients = [], []
    for truncated in (True, False):
        cell.truncated = truncated
        h, _ = cell(normal(B, T, D))
        outputs.append(h)
        gradients.append(torch.autograd.grad(h.sum(), cell.U)[0])
    torch.testing.assert_close(*outputs, **EXACT)
    assert (gradients[0] - gradients[1]).abs().max() > 1e-3


def test_all_that_goes_on_is_in_the_state() -> None:
    """The states, and the activations of cells and gates where they are fed back."""
    assert state_size(LSTM1997(D, 4, cells_per_block=2), D) == 4 + (4 + 2 + 2)
    assert state_size(LSTM1997(D, 4, feedback=False), D) == 4


def test_biases_start_where_they_are_told() -> None:
    """One value for each block; all other weights lie within ±init."""
    cell = LSTM1997(D, 4, cells_per_block=2, input_gate_bias=[-3, -6], output_gate_bias=[-1, -2])
    assert cell.b[:4].tolist() == [-3, -6, -1, -2]
    rest = torch.cat([cell.W.flatten(), cell.U.flatten(), cell.b[4:]])
    assert 0.09 < rest.abs().max() <= 0.1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_size": 5, "cells_per_block": 2}, r"hidden_size=5 .* blocks of cells_per_block=2"),
        ({"hidden_size": 0}, r"hidden_size=0"),
        ({"g": "tanh"}, r"g must be centred or logistic, got 'tanh'"),
        ({"h": "tanh"}, r"h must be centred or identity, got 'tanh'"),
        ({"bias": "some"}, r"bias must be all or gates or none, got 'some'"),
        ({"input_gate_bias": [-1.0]}, r"input_gate_bias=\[-1.0\]: expected one number for each of 4 blocks"),
        ({"input_gate_bias": [-1, -2, -3, -4], "bias": "none"}, r"input_gate_bias=.* have a bias"),
        ({"output_gate_bias": [-1, -2, -3, -4], "output_gate": False}, r"output_gate_bias=.* must be there"),
    ],
)
def test_impossible_arguments_are_refused(wrong: dict[str, Any], message: str) -> None:
    """The message says which, and what is expected."""
    with pytest.raises(ValueError, match=message):
        LSTM1997(**{"input_size": D, "hidden_size": 4, **wrong})
