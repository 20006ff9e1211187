"""The readout sees what the model says that it sees."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqlab.cells.vanilla import VanillaRNN
from seqlab.heads import cross_entropy
from seqlab.models.sequence import SequenceModel
from seqlab.spec import Classes, DataSpec, Kind, Metric, Reals, Tokens

WRONG = Metric("wrong", "min", "share of sequences")


@pytest.mark.parametrize("inputs", [Reals(5), Tokens(5)])
def test_a_readout_with_skip_sees_the_inputs_themselves(inputs: Kind) -> None:
    """With V = 0 for the hidden states, what is said depends on the present input alone."""
    model = SequenceModel(DataSpec(inputs, Tokens(3), "every", WRONG), lambda size: VanillaRNN(size, 2), skip=True)
    assert model.readout.V.shape == (3, 2 + 5)
    ids = torch.tensor([[0, 1, 4, 1]])
    x = ids if isinstance(inputs, Tokens) else torch.nn.functional.one_hot(ids, 5).float()
    with torch.no_grad():
        model.readout.V[:, :2] = 0
    said = model(x)[0]
    torch.testing.assert_close(said[:, 1], said[:, 3])
    torch.testing.assert_close(said[0, 2], model.readout.V[:, 2 + 4] + model.readout.c)


def test_the_readout_starts_within_its_bound() -> None:
    """U(−init, init), and 1/√H where none is given."""
    spec = DataSpec(Reals(2), Tokens(50), "every", WRONG)
    for init, bound in [(0.1, 0.1), (None, 0.25)]:
        V = SequenceModel(spec, lambda size: VanillaRNN(size, 16), init=init).readout.V
        assert 0.9 * bound < V.abs().max() <= bound


@pytest.mark.parametrize("loss_at", ["every", "last"])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", [VanillaRNN, torch.nn.GRU])
def test_the_cross_entropy_of_a_model_is_that_of_its_logits(
    kind: type[torch.nn.Module], skip: bool, loss_at: Any
) -> None:
    """Loss, state and every gradient, of a cell that has a ``last`` and of one that has none."""
    spec = DataSpec(Tokens(5), Tokens(4) if loss_at == "every" else Classes(4), loss_at, WRONG)
    options = {} if kind is VanillaRNN else {"batch_first": True}
    torch.manual_seed(0)
    model = SequenceModel(spec, lambda size: kind(size, 6, **options), skip=skip).double()
    x, y = torch.randint(5, (3, 7)), torch.randint(4, (3, 7) if loss_at == "every" else (3,))
    results = []
    for in_one in (True, False):
        E, state = model.cross_entropy(x, y) if in_one else model(x)
        E = E if in_one else cross_entropy(E, y)
        results.append((E, state, *torch.autograd.grad(E, list(model.parameters()))))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


def test_in_an_evaluation_all_hidden_states_can_be_looked_at() -> None:
    """While training a cell's own ``last`` is asked; else ``forward``, which may be watched step by step."""

    class Told(VanillaRNN):
        def last(self, x: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
            asked.append("last")
            return super().last(x, state)

    asked: list[str] = []
    model = SequenceModel(DataSpec(Reals(2), Classes(3), "last", WRONG), lambda size: Told(size, 4))
    trained = model(torch.ones(1, 5, 2))[0]
    assert asked == ["last"]
    evaluated = model.eval()(torch.ones(1, 5, 2))[0]
    assert asked == ["last"]
    assert torch.equal(trained, evaluated)
