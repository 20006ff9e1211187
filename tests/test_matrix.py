"""Every cell on every data set: one tiny fit, from the command line to the summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Command
from seqlab.ledger import find
from seqlab.plugins import options

READS, PREDICTS = (
    "cell=hmm reads tokens; the inputs are real-valued.",
    "cell=hmm predicts the next token at every step;",
)
REAL = ("adding", "adding_1997", "images", "multiplication_1997", "spoken_digits", "stocks", "two_sequence")
NEXT = ("text", "long_lag")
REFUSED = {("hmm", data): READS if data in REAL else PREDICTS for data in options("data") if data not in NEXT}
"""What cannot be, and what is said of it."""
NARROW = {"attention": ["cell.window=16"]}
"""What makes a cell quick that is slow over many steps."""
PAIRS = [(cell, data) for cell in options("cell") for data in options("data")]


@pytest.mark.parametrize(("cell", "data"), [pair for pair in PAIRS if pair not in REFUSED])
def test_every_cell_learns_from_every_data_set(train: Command, tmp_path: Path, cell: str, data: str) -> None:
    """Shapes, losses and metrics fit by themselves."""
    answer = train(f"cell={cell}", f"data={data}", *NARROW.get(cell, []))
    assert answer.code == 0, answer.err
    (folder,) = find([tmp_path])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["steps"] == 2
    assert f"test/{summary['metric']['name']}" in summary["test"]
    assert summary["references"]
    assert (folder / "gradients.jsonl").exists(), answer.out


@pytest.mark.parametrize(("cell", "data"), REFUSED)
def test_a_cell_that_is_not_for_a_data_set_says_so(train: Command, tmp_path: Path, cell: str, data: str) -> None:
    """In one line, before anything is made."""
    answer = train(f"cell={cell}", f"data={data}")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert REFUSED[cell, data] in answer.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("data", ["parity", "copy"])
def test_the_beliefs_of_a_hidden_markov_model_are_read_out_like_any_state(train: Command, data: str) -> None:
    """Where no next token is asked for, by the model that other cells have there."""
    assert train("cell=hmm", "model=sequence", f"data={data}").code == 0


@pytest.mark.parametrize("model", ["embedding_size=5", "bias=false"])
@pytest.mark.parametrize("data", ["text", "translation"])
def test_model_options_fit_every_token_task(train: Command, data: str, model: str) -> None:
    """With and without an embedding or a readout bias."""
    assert train(f"data={data}", "cell=vanilla", f"model.{model}").code == 0


def test_attention_fits_the_translation_task(train: Command) -> None:
    """With an embedding, by its own key."""
    assert train("data=translation", "model.attention=true", "model.embedding_size=5").code == 0


@pytest.mark.parametrize(
    "choice",
    [
        "trainer=debug",
        "trainer=overfit",
        "trainer=limit",
        "trainer=profile",
        "scheduler=cosine",
        "scheduler=plateau",
        "scheduler=exponential",
        "optimizer=rmsprop",
        "optimizer=adamw",
        "optimizer=sgd",
        "callbacks=early_stopping",
        "trainer.precision=bf16-mixed",
        "trainer.accumulate_grad_batches=2",
    ],
)
def test_every_other_choice_trains(train: Command, choice: str) -> None:
    """Schedules, optimizers, fault-finding trainers, accumulation and mixed precision, by their own keys."""
    group = choice.partition("=")[0]
    tiny = ["data.train_size=200", "data.val_size=50", "data.test_size=50", "cell.hidden_size=4", "data.length=5"]
    limits = ["trainer.max_epochs=2"] if choice not in ("trainer=overfit", "trainer=debug") else []
    answer = train(choice, *limits, *(["trainer=cpu"] if group != "trainer" else []), tiny=tiny)
    assert answer.code == 0, answer.err
