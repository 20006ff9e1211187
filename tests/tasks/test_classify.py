"""Right answers are counted by sequence, blanks are none, and lengths are told apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seqlab.spec import IGNORE, Classes, DataSpec, Metric, Tokens
from seqlab.tasks.classify import Classify

ACCURACY = Metric("accuracy", "max", "share")
SYMBOLS = Tokens(4, ("_", "a", "b", "c"), blank=0)


class Saying(nn.Module):
    """A model whose answers are what it read."""

    def __init__(self, at_last: bool = False):
        super().__init__()
        self.at_last, self.sure = at_last, nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor, state: None = None) -> tuple[torch.Tensor, None]:
        z = self.sure * F.one_hot(x, 4).float()
        return z[:, -1] if self.at_last else z, None


def classify(spec: DataSpec) -> Classify:
    model = Saying(spec.loss_at == "last")
    return Classify(model, spec, lambda parameters: torch.optim.SGD(parameters, lr=0.1))


def measured(task: Classify, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, tuple[float, int]]:
    return {name: (mean.item(), n) for name, (mean, n) in task.measure(batch, "test").items()}


def test_blanks_and_masked_steps_are_no_answers() -> None:
    """They count for the loss, or not at all; the accuracy is over the answers of each sequence."""
    x = torch.tensor([[0, 1, 2, 3], [0, 0, 2, 1]])
    y = torch.tensor([[0, 1, 2, 1], [0, IGNORE, 2, 1]])
    found = measured(classify(DataSpec(SYMBOLS, SYMBOLS, "masked", ACCURACY)), (x, y))
    assert found["accuracy"] == (pytest.approx((2 / 3 + 1) / 2), 2)
    assert found["exact_match"] == (0.5, 2)
    z = 2.0 * F.one_hot(x, 4).float()
    assert found["loss"] == (pytest.approx(F.cross_entropy(z.flatten(0, 1), y.flatten()).item()), 7)


def test_one_answer_for_a_sequence() -> None:
    """The last step alone is judged."""
    found = measured(
        classify(DataSpec(Tokens(4), Classes(4), "last", ACCURACY)),
        (torch.tensor([[3, 1], [2, 0]]), torch.tensor([1, 2])),
    )
    assert found["accuracy"] == (0.5, 2)
    assert set(found) == {"loss", "accuracy"}


@pytest.mark.parametrize(
    ("spec", "y", "length"),
    [
        (DataSpec(Tokens(4), Classes(4), "last", ACCURACY, by_length=True), [1, 2], 4),
        (
            DataSpec(SYMBOLS, SYMBOLS, "masked", ACCURACY, by_length=True),
            [[IGNORE, IGNORE, 1, 2], [IGNORE, IGNORE, 2, 2]],
            2,
        ),
    ],
)
def test_accuracy_is_told_for_each_length(spec: DataSpec, y: list, length: int) -> None:
    """A length is what is read before the answer is written."""
    task = classify(spec)
    task._begin("test")
    task._add((torch.tensor([[0, 0, 1, 2], [0, 0, 2, 1]]), torch.tensor(y)), "test")
    task.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    task.on_test_epoch_end()
    assert task.by_length == {length: task.means.of_all()["accuracy"].value}


def test_samples_show_what_was_read_said_and_true() -> None:
    """Without blanks."""
    task = classify(DataSpec(SYMBOLS, SYMBOLS, "masked", ACCURACY))
    (row,) = task.samples((torch.tensor([[1, 2, 0]]), torch.tensor([[IGNORE, 3, 0]])))
    assert row == {"input": "ab_", "said": "b", "truth": "c"}
