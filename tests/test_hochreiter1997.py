"""The presets for Hochreiter & Schmidhuber (1997) are the paper's nets, to the last weight."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Command
from seqlab.config import composed
from seqlab.experiment import build
from seqlab.ledger import find
from seqlab.plugins import options

PAPER = "hochreiter1997"
ROWS = [name for name in options("experiment") if name.startswith(f"{PAPER}/") and name != f"{PAPER}/common"]


@pytest.mark.parametrize("row", ROWS)
def test_each_net_has_as_many_weights_as_the_papers(row: str) -> None:
    """And is trained on one sequence at a time, by plain gradient descent, in search of what the table says."""
    run = composed([f"experiment={row}"])
    built, published = build(run), run.config["published"]
    assert built.parameters == published["weights"]
    assert run.config["data"]["batch_size"] == 1
    assert run.config["optimizer"]["_target_"] == "torch.optim.SGD"
    assert run.config["trainer"]["gradient_clip_val"] is None
    criteria = {criterion.name for criterion in built.data.spec.criteria}
    assert published.keys() <= {"by", "weights", "solved", "wrong", "error"} | criteria
    assert criteria & published.keys() or published["solved"] == 0


@pytest.mark.parametrize("row", ["1_3x2_lr0.5", "2a", "2a_bptt_p4", "2c_q50", "3c_n3", "4_t100", "5_n140", "6b"])
def test_each_experiment_trains(seqlab: Command, tmp_path: Path, row: str) -> None:
    """A few sequences, from the command line to the summary, read with the net as it is in the end."""
    sizes = [f"data.{name}=4" for name in ("train_size", "val_size", "test_size")]
    answer = seqlab("train", f"experiment={PAPER}/{row}", "logger=none", *sizes, "trainer.max_steps=6")
    assert answer.code == 0, answer.err
    (folder,) = find([tmp_path])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["sequences"] == summary["steps"] == 6
    assert 0 <= summary["test"]["test/wrong"] <= 1


def test_another_cell_takes_a_presets_place(seqlab: Command, tmp_path: Path) -> None:
    """What a preset says of blocks and biases is for the paper's cell alone."""
    sizes = [f"data.{name}=2" for name in ("train_size", "val_size", "test_size")]
    answer = seqlab("train", f"experiment={PAPER}/6a", "cell=rnn", "logger=none", *sizes, "trainer.max_steps=2")
    assert answer.code == 0, answer.err
    (folder,) = find([tmp_path])
    cell = json.loads((folder / "summary.json").read_text())["cell"]
    assert cell == "rnn"
    answer = seqlab("train", f"experiment={PAPER}/6a", "cell=rnn", "+cell.blocks=2", "logger=none", *sizes)
    assert answer.code != 0
    assert "blocks" in answer.err  # a key that a person wrote is not dropped


@pytest.mark.parametrize("row", ["1_3x2_lr0.1", "2a", "2c_q50"])
def test_a_word_of_the_papers_cell_is_not_told_to_another(row: str) -> None:
    """Its bias is all, gates or none; that of other cells is true or false, and stays as theirs is."""
    run = composed([f"experiment={PAPER}/{row}", "cell=gru"])
    assert run.config["cell"]["bias"] is True
    assert build(run).parameters > 0


@pytest.mark.parametrize(
    ("data", "task"), [("two_sequence", "forecast"), ("text", "classify"), ("parity", "least_squares")]
)
def test_a_task_must_measure_what_the_data_is_compared_by(train: Command, data: str, task: str) -> None:
    """Else a run would end without a result."""
    answer = train(f"data={data}", f"task={task}", "data.batch_size=4", tiny=["trainer.limit_train_batches=1"])
    assert answer.code == 2
    assert "the data is compared by" in answer.err


@pytest.mark.parametrize(
    ("data", "task"), [("temporal_order", "classify"), ("reber", "classify"), ("adding_1997", "regression")]
)
def test_modern_losses_are_judged_alike(train: Command, tmp_path: Path, data: str, task: str) -> None:
    """Whatever is minimised, the share of wrong sequences is measured as the paper does."""
    answer = train(f"data={data}", f"task={task}", "data.batch_size=4")
    assert answer.code == 0, answer.err
    (folder,) = find([tmp_path])
    summary = json.loads((folder / "summary.json").read_text())
    assert 0 <= summary["test"]["test/wrong"] <= 1
