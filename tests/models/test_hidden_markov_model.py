"""A hidden Markov model as a language model: exact, trained either way, refused where it has no meaning."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqlab.cells.hmm import HMM
from seqlab.errors import ConfigError
from seqlab.models.hmm import HiddenMarkovModel, stationary
from seqlab.spec import DataSpec, Metric, Reals, Tokens
from seqlab.tasks.language_model import LanguageModel

SYMBOLS = Tokens(4, tuple("ab c"))
BITS = Metric("bits_per_character", "min", "bits")
TEXT = DataSpec(SYMBOLS, SYMBOLS, "every", BITS, {"chance": 2.0}, carried=True)


def cell(size: int) -> nn.Module:
    return HMM(size, 3)


def task(**options: object) -> LanguageModel:
    torch.manual_seed(0)
    model = HiddenMarkovModel(TEXT, cell, **options)
    return LanguageModel(model, TEXT, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.05)).double()


def test_the_loss_of_a_language_model_is_the_exact_likelihood() -> None:
    """Σ −log p(x_{t+1} | x_1 … x_t) = −log p(x_1 … x_T) + log p(x_1), and z is normalised."""
    model = task()
    ids = torch.randint(4, (3, 12))
    expected = model.model.cell.log_likelihood(ids[:, :1]) - model.model.cell.log_likelihood(ids)
    assert model.loss((ids[:, :-1], ids[:, 1:]), "val").item() == pytest.approx(expected.sum().item() / 33, abs=1e-12)
    z, _ = model.model(ids)
    torch.testing.assert_close(z.logsumexp(-1), torch.zeros(3, 12, dtype=torch.float64))


def test_gradient_training_finds_what_there_is_to_find() -> None:
    """A cycle of three symbols has no entropy; the chosen optimizer learns nearly all of it."""
    model = task(training="gradient")
    optimizer = model.configure_optimizers()["optimizer"]
    ids = torch.tensor([[0, 1, 3] * 11])
    for _ in range(300):
        loss = model.loss((ids[:, :-1], ids[:, 1:]), "train")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.on_train_epoch_start()
    assert isinstance(optimizer, torch.optim.Adam)
    assert loss.item() < 0.05
    for table in model.model.cell.tables:
        torch.testing.assert_close(table.exp().sum(-1), torch.ones(table.shape[:-1], dtype=torch.float64))


def test_tables_are_probabilities_in_the_order_of_the_states_shares() -> None:
    """Rows sum to one, columns are the symbols, and the first state is the one that takes most of the time."""
    model = task().model
    tables = model.tables()
    assert list(tables["emission"].columns) == list("ab c")
    for table in tables.values():
        assert table.sum(axis=1).to_numpy() == pytest.approx(1)
    A = torch.tensor(tables["transition"].to_numpy())
    shares = stationary(A)
    torch.testing.assert_close(shares @ A, shares)
    assert shares.tolist() == sorted(shares.tolist(), reverse=True)
    assert list(tables["emission"].index) == [f"{i} ({100 * share:.1f} %)" for i, share in enumerate(shares, 1)]
    x = torch.randint(4, (3, 12))
    before = model.cell.log_likelihood(x)
    with torch.no_grad():
        for name, parameter in model.cell.named_parameters():
            parameter.copy_(torch.tensor(tables[name].to_numpy()).log().reshape(parameter.shape))
    torch.testing.assert_close(model.cell.log_likelihood(x), before)  # it is the same model, with its states renamed


def test_a_periodic_chain_has_its_shares_too() -> None:
    """Two states in turn take half of the time each; of two that are never left, neither is preferred."""
    for A in ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]):
        assert stationary(torch.tensor(A, dtype=torch.float64)).tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (DataSpec(Reals(1), Reals(1), "every", BITS), "cell=hmm reads tokens; the inputs are real-valued."),
        (DataSpec(SYMBOLS, SYMBOLS, "last", BITS), "cell=hmm predicts the next token at every step; the data asks"),
        (DataSpec(SYMBOLS, Tokens(7), "every", BITS), "have its beliefs read out like any cell's: model=sequence"),
    ],
)
def test_other_data_are_refused(spec: DataSpec, message: str) -> None:
    """Real numbers, an answer at the end, another alphabet; the line says what would do."""
    with pytest.raises(ConfigError, match=message):
        HiddenMarkovModel(spec, cell)


def test_another_cell_is_refused() -> None:
    """Only a hidden Markov model has emissions to be read out by."""
    with pytest.raises(ConfigError, match="model=hmm reads out cell=hmm alone, got GRU"):
        HiddenMarkovModel(TEXT, lambda size: nn.GRU(size, 3, batch_first=True))
