"""Conformance suites that a plug-in's tests inherit: ``class TestMine(CellTests): def make(self, input_size): ...``.

Needs pytest. A cell or data set that passes can be used in every run, and its comparison with others is fair.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from seqlab.cells.base import check, detach, state_size, takes_tokens, tensors
from seqlab.data.base import SPLITS, SequenceData
from seqlab.spec import IGNORE, Classes, Kind, Reals, Tokens

B, T, D = 3, 7, 4


class CellTests(ABC):
    """What must hold for every cell. Give ``make``; override ``dtype`` where float64 is not supported."""

    dtype = torch.float64

    @abstractmethod
    def make(self, input_size: int) -> nn.Module:
        """A small cell for inputs of a size."""

    def _cell(self) -> nn.Module:
        torch.manual_seed(0)
        return self.make(D).to(self.dtype).eval()

    def _inputs(self, seed: int = 1) -> Tensor:
        return torch.randn(B, T, D, generator=torch.Generator().manual_seed(seed), dtype=self.dtype)

    def test_outputs_have_the_shapes_of_the_contract(self) -> None:
        """H is (B, T, H), batch first, and the state says how large it is."""
        check(self.make, type(self).__name__)
        assert state_size(self._cell(), D) > 0

    def test_permuting_the_batch_permutes_the_output(self) -> None:
        """Sequences of a batch know nothing of each other."""
        cell, x, order = self._cell(), self._inputs(), torch.tensor([2, 0, 1])
        torch.testing.assert_close(cell(x[order])[0], cell(x)[0][order])

    def test_two_chunks_with_carried_state_equal_one_pass(self) -> None:
        """The state holds all that the cell remembers."""
        cell, x = self._cell(), self._inputs()
        whole, _ = cell(x)
        first, state = cell(x[:, :3])
        second, _ = cell(x[:, 3:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)

    def test_the_state_is_as_large_after_one_step_as_after_many(self) -> None:
        """What it costs to remember is a fact of the cell, and no run grows without bound."""
        cell, x = self._cell(), self._inputs()
        sizes = [[part.shape for part in tensors(cell(x[:, :steps])[1])] for steps in (1, T)]
        assert sizes[0] == sizes[1]

    def test_later_inputs_never_change_earlier_outputs(self) -> None:
        """h_t depends on x_1 … x_t alone."""
        cell, x = self._cell(), self._inputs()
        changed = x.clone()
        changed[:, 4:] += 1
        before, after = cell(x)[0], cell(changed)[0]
        torch.testing.assert_close(after[:, :4], before[:, :4])
        assert not torch.equal(after[:, 4:], before[:, 4:])

    def test_every_parameter_gets_a_finite_gradient(self) -> None:
        """Nothing is learned through a gradient that is missing or not a number."""
        cell = self._cell()
        cell(self._inputs())[0].square().sum().backward()
        for name, parameter in cell.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"

    def test_a_detached_state_has_no_history(self) -> None:
        """Truncated BPTT can cut here."""
        _, state = self._cell()(self._inputs())
        assert all(not part.requires_grad for part in tensors(detach(state)))

    def test_a_saved_cell_loads_and_computes_the_same(self) -> None:
        """``state_dict`` holds all that was learned."""
        cell, x = self._cell(), self._inputs()
        torch.manual_seed(99)
        other = self.make(D).to(self.dtype).eval()
        other.load_state_dict(cell.state_dict())
        torch.testing.assert_close(other(x)[0], cell(x)[0], rtol=0, atol=0)

    def test_token_ids_equal_one_hot_vectors(self) -> None:
        """A cell that takes tokens computes with ids what it computes with unit vectors."""
        cell = self._cell()
        ids = torch.randint(D, (B, T), generator=torch.Generator().manual_seed(2))
        if takes_tokens(cell):
            torch.testing.assert_close(cell(ids)[0], cell(nn.functional.one_hot(ids, D).to(self.dtype))[0])
        else:
            assert getattr(cell, "takes_tokens", False) is False


class DataTests(ABC):
    """What must hold for every data set. Give ``make``."""

    @abstractmethod
    def make(self) -> SequenceData:
        """A small data set, the same at each call."""

    def _data(self) -> SequenceData:
        data = self.make()
        data.prepare_data()
        data.setup()
        return data

    def test_batches_are_as_the_spec_says(self) -> None:
        """Kinds, sizes and positions of all splits are those that models are built from."""
        data = self._data()
        for split in SPLITS:
            inputs, targets = next(iter(data.loader(split)))
            assert len(inputs) == len(targets)
            _check_kind(inputs, data.spec.inputs, steps=True)
            _check_kind(targets, data.spec.targets, steps=data.spec.loss_at != "last")

    def test_loaders_know_their_length(self) -> None:
        """An epoch has as many batches as its loader says, and at least one."""
        data = self._data()
        for split in SPLITS:
            loader = data.loader(split)
            assert len(list(loader)) == len(loader) > 0

    def test_the_same_data_set_gives_the_same_batches(self) -> None:
        """Which batch comes when depends on the arguments and the epoch alone."""
        one, two = self._data(), self._data()
        assert one.fingerprint == two.fingerprint
        for split in SPLITS:
            for a, b in zip(one.loader(split), two.loader(split), strict=True):
                assert torch.equal(a[0], b[0])
                assert torch.equal(a[1], b[1])

    def test_an_epoch_can_be_entered_at_any_batch(self) -> None:
        """A run that goes on sees what it would have seen: the rest of its epoch, and no batch twice."""
        whole = self._data()
        whole.start = (1, 0)
        batches = list(whole.train_dataloader())
        for first in {1, len(batches) // 2, len(batches) - 1} - {0}:
            entered = self._data()
            entered.start = (1, first)
            for a, b in zip(entered.train_dataloader(), batches[first:], strict=True):
                assert torch.equal(a[0], b[0])
                assert torch.equal(a[1], b[1])

    def test_splits_are_different_data(self) -> None:
        """No two splits start with the same batch."""
        data = self._data()
        first = [next(iter(data.loader(split)))[0] for split in SPLITS]
        for one, two in pairwise([*first, first[0]]):
            assert one.shape != two.shape or not torch.equal(one, two)

    def test_references_are_finite_and_named(self) -> None:
        """What needs no training is drawn beside every result."""
        spec = self._data().spec
        assert spec.references, "name at least what chance scores"
        assert all(math.isfinite(value) for value in spec.references.values())
        assert spec.metric.goal in ("min", "max")


def _check_kind(values: Tensor, kind: Kind, steps: bool) -> None:
    """Shape, type and range of a batch of inputs or targets."""
    if isinstance(kind, Reals):
        assert values.shape[-1] == kind.size
        assert values.dim() == 2 + steps
        assert values.is_floating_point()
        assert values.isfinite().all()
        return
    assert values.dtype == torch.int64
    assert values.dim() == (1 + steps if isinstance(kind, Tokens) else 1)
    counted = values[values != IGNORE]
    assert isinstance(kind, Tokens | Classes)
    assert counted.numel() > 0
    assert 0 <= int(counted.min()) <= int(counted.max()) < kind.size
