"""The readout sees what the model says that it sees."""

from __future__ import annotations

import pytest
import torch

from seqlab.cells.vanilla import VanillaRNN
from seqlab.models.sequence import SequenceModel
from seqlab.spec import DataSpec, Kind, Metric, Reals, Tokens

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
