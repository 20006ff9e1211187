"""Every cell on every data set: one tiny fit, from the command line to the summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Command
from seqlab.ledger import find
from seqlab.plugins import options


@pytest.mark.parametrize("data", options("data"))
@pytest.mark.parametrize("cell", options("cell"))
def test_every_cell_learns_from_every_data_set(train: Command, tmp_path: Path, cell: str, data: str) -> None:
    """Shapes, losses and metrics fit by themselves."""
    answer = train(f"cell={cell}", f"data={data}")
    assert answer.code == 0, answer.err
    (folder,) = find([tmp_path])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["steps"] == 2
    assert f"test/{summary['metric']['name']}" in summary["test"]
    assert summary["references"]


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
