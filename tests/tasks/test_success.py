"""A published experiment counts as solved when its criterion is met, and not a sequence earlier."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from conftest import Command
from exact import make_keeping, result_of, resumed, run_of
from seqlab.errors import ConfigError
from seqlab.ledger import find
from seqlab.spec import IGNORE, Classes, Criterion, DataSpec, Metric, Reals, Tokens, threshold, within
from seqlab.tasks.least_squares import LeastSquares
from seqlab.tasks.success import Success

WRONG = Metric("wrong", "min", "share of sequences")
EASY = """
import numpy as np, torch
from seqlab.data.base import GeneratedData
from seqlab.spec import Criterion, DataSpec, Metric, Reals, within

class Easy(GeneratedData):
    def __init__(self, judged_on, **sizes):
        super().__init__(**sizes)
        self.last = 30 if judged_on == "train" else None

    def lengths(self, split):
        return 2, 4

    def describe(self):
        return DataSpec(Reals(1), Reals(1), "last", Metric("wrong", "min", "share"), {"chance": 1.0},
                        right=within(0.2), criteria=(Criterion("first", self.last, wrong=25), Criterion("all", self.last)))

    def draw(self, rng, size, length):
        return torch.ones(size, length, 1), torch.full((size, 1), 0.9)
"""
YAML = """
defaults: [{/task@_global_.task: least_squares}, _self_]
_target_: easy.Easy
judged_on: train
batch_size: 1
train_size: 1000
val_size: 40
test_size: 40
eval_batch_size: 20
seed: ${seed}
"""


@pytest.fixture
def easy(tmp_path: Path) -> Path:
    """A data set that any cell learns in some hundred sequences."""
    folder = tmp_path / "mine"
    (folder / "data").mkdir(parents=True)
    (folder / "easy.py").write_text(EASY)
    (folder / "data" / "easy.yaml").write_text(YAML)
    return folder


def test_the_last_sequences_are_judged_each_before_it_is_learned_from() -> None:
    """Three in a row, one of which may be wrong, with a mean error below 0.3."""
    success = Success([Criterion("success", last=3, wrong=1, error=0.3)], WRONG)
    for right, error in [(True, 0.1), (False, 0.9), (True, 0.1), (True, 0.1), (True, 0.1), (False, 0.2)]:
        success.sequences += 1
        success.trained([right], [error])
    assert success.solved == {"success": 5}  # 2 to 4 have a mean error of 0.37
    assert success.complete


def test_a_batch_counts_for_as_many_sequences_as_it_has() -> None:
    """Of which the last ones are looked at."""
    success = Success([Criterion("success", last=2)], WRONG)
    success.sequences = 4
    success.trained([False, False, True, True], [1.0, 1.0, 0.0, 0.0])
    assert success.solved == {"success": 4}


def test_criteria_are_met_one_by_one() -> None:
    """On the validation set: none wrong is st1; and a small error besides is st2."""
    success = Success([Criterion("st1"), Criterion("st2", error=0.01)], WRONG)
    for sequences, wrong, error in [(10, 1, 0.001), (20, 0, 0.02), (30, 3, 0.001), (40, 0, 0.001)]:
        success.sequences = sequences
        success.validated(0.0, wrong, error)
    assert success.solved == {"st1": 20, "st2": 40}
    assert not Success([], WRONG).complete


def test_a_score_is_good_enough_in_its_own_direction() -> None:
    """On the validation set, as the metric's goal says."""
    for goal, scores in (("min", (0.3, 0.2)), ("max", (0.1, 0.2))):
        success = Success([Criterion("success", score=0.2)], Metric("score", goal, ""))  # type: ignore[arg-type]
        for sequences, score in zip((10, 20), scores, strict=True):
            success.sequences = sequences
            success.validated(score, 0, 0.0)
        assert success.solved == {"success": 20}


class Answering(nn.Module):
    """A model that says what it is told."""

    def __init__(self, outputs: torch.Tensor):
        super().__init__()
        self.z = nn.Parameter(torch.logit(outputs))

    def forward(self, x: torch.Tensor, state: None = None) -> tuple[torch.Tensor, None]:
        return self.z, None


def least_squares(spec: DataSpec, outputs: torch.Tensor) -> LeastSquares:
    return LeastSquares(Answering(outputs), spec, lambda parameters: torch.optim.SGD(parameters, lr=0.1))


@pytest.mark.parametrize("output", [math.nan, math.inf])
def test_what_is_no_number_is_no_right_answer(output: float) -> None:
    """Of a net that has diverged, nothing is right but what was not asked for."""
    outputs, targets = torch.tensor([[output, 0.1], [0.9, 0.1]]), torch.tensor([[1.0, 0.0], [1.0, math.nan]])
    assert within(0.2)(outputs, outputs, targets).tolist() == [False, True]


def test_least_squares_is_summed_over_a_sequence_and_judged_at_every_output() -> None:
    """½ Σ (ŷ − y)² by hand; one output that is off by the tolerance makes a sequence wrong; masked steps do not count."""
    spec = DataSpec(Tokens(2), Tokens(2), "masked", WRONG, right=within(0.25))
    outputs = torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.1], [0.5, 0.5]]], dtype=torch.float64)
    task = least_squares(spec, outputs)
    x, y = torch.zeros(2, 2, dtype=torch.int64), torch.tensor([[0, 1], [0, IGNORE]])
    found = {name: mean.item() for name, (mean, _) in task.measure((x, y), "val").items()}
    assert found["loss"] == pytest.approx(0.5 * (0.1**2 + 0.1**2 + 0.2**2 + 0.2**2 + 0.4**2 + 0.1**2) / 2)
    assert found["wrong"] == 0.5
    assert found["error"] == pytest.approx(((0.1 + 0.1 + 0.2 + 0.2) / 4 + (0.4 + 0.1) / 2) / 2)
    task.loss((x, y), "val").backward()
    assert task.model.z.grad[1, 1].tolist() == [0.0, 0.0]
    assert task.model.z.grad[0, 0, 0].item() == pytest.approx(-0.1 * 0.9 * 0.1 / 2)


def test_solved_is_a_hundredth_of_the_way_from_the_best() -> None:
    """Whichever way is better; and nowhere, where chance or the best possible is not known."""
    assert threshold({"chance": 1 / 6, "best": 0.0}) == pytest.approx(1 / 600)
    assert threshold({"chance": 0.2, "naive": 0.5, "best": 1.0}) == pytest.approx(0.992)
    assert threshold({"chance": 0.2}) is None


def test_data_keep_the_criteria_that_they_bring() -> None:
    """Else the published criterion would not be the published one."""
    criteria = (Criterion("st1"), Criterion("st2", error=0.01))
    references = {"chance": 0.5, "best": 0.0}
    task = least_squares(DataSpec(Reals(1), Reals(1), "last", WRONG, references, criteria=criteria), torch.ones(1, 1))
    task.until_solved()
    assert task.success.criteria == criteria


@pytest.mark.parametrize(("kind", "y"), [(Reals(3), torch.eye(3)[:2]), (Classes(3), torch.tensor([0, 1]))])
def test_classes_are_one_hot_targets(kind: Reals | Classes, y: torch.Tensor) -> None:
    """The same answers cost the same, whichever way they are asked for."""
    outputs = torch.tensor([[0.9, 0.2, 0.3], [0.4, 0.5, 0.6]])
    task = least_squares(DataSpec(Reals(1), kind, "last", WRONG, right=within(0.35)), outputs)
    found = {name: mean.item() for name, (mean, _) in task.measure((torch.zeros(2, 1, 1), y), "val").items()}
    assert found["loss"] == pytest.approx(0.5 * (0.01 + 0.04 + 0.09 + 0.16 + 0.25 + 0.36) / 2)
    assert found["wrong"] == 0.5


@pytest.mark.parametrize("on", ["train", "val"])
def test_training_ends_when_the_criterion_is_met(train: Command, easy: Path, tmp_path: Path, on: str) -> None:
    """Before its last epoch; the summary and the table tell after how many sequences."""
    words = ["--config-dir", str(easy), "data=easy", f"data.judged_on={on}", "cell.hidden_size=4", "trainer=cpu"]
    words += ["optimizer.lr=0.03", "trainer.max_epochs=5", "trainer.val_check_interval=50"]
    answer = train(*words, tiny=())
    assert answer.code == 0, answer.err
    (folder,) = find([tmp_path / "runs"])
    summary = json.loads((folder / "summary.json").read_text())
    assert (
        25 < summary["solved"]["first"] <= summary["solved"]["all"] == summary["sequences"] == summary["steps"] < 5000
    )
    assert on == "train" or summary["sequences"] % 50 == 0
    assert summary["test"]["test/wrong"] == 0


def test_a_resumed_run_is_solved_after_as_many_sequences(
    easy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window of the last sequences goes on where it was."""
    monkeypatch.syspath_prepend(str(easy))
    words = ["data=adding", "data.batch_size=1", "data.train_size=60", "data.val_size=8", "data.test_size=8"]
    words += ["data._target_=easy.Easy", "+data.judged_on=train", "~data.length", "~data.form", "task=least_squares"]
    run = run_of(tmp_path, *words)
    copies = make_keeping(run, monkeypatch)
    assert run.status.summary["solved"]["first"]
    late = [copy for step, copy in copies if step > 20][:2]
    assert late
    for copy in late:
        again, _ = resumed(copy)
        assert again.status.summary["solved"] == run.status.summary["solved"]
        assert math.isclose(result_of(again)["test"]["test/error"], result_of(run)["test"]["test/error"], rel_tol=0)


def test_processes_count_the_sequences_of_all(train: Command, easy: Path, tmp_path: Path) -> None:
    """A validation set that is shared out has as many wrong sequences as before."""
    words = ["--config-dir", str(easy), "data=easy", "data.judged_on=val", "data.batch_size=2", "cell.hidden_size=4"]
    words += ["data.val_size=41", "optimizer.lr=0.01", "trainer.max_epochs=5", "trainer.val_check_interval=20"]
    solved = []
    for processes in (1, 2):
        answer = train(*words, "trainer=cpu", f"trainer.devices={processes}", f"runs_dir=by{processes}", tiny=())
        assert answer.code == 0, answer.err
        (folder,) = find([tmp_path / f"by{processes}"])
        solved.append(json.loads((folder / "summary.json").read_text())["solved"])
    assert solved[0] == solved[1]
    assert solved[0]["first"] > 40


def test_success_on_training_sequences_needs_one_process() -> None:
    """Several would each see a part of their order."""
    spec = DataSpec(Reals(1), Reals(1), "last", WRONG, right=within(0.2), criteria=(Criterion("success", 2000),))
    task = least_squares(spec, torch.tensor([[0.5]]))
    task._trainer = type("Two", (), {"world_size": 2})()
    with pytest.raises(ConfigError, match=r"trainer\.devices=2: success is judged on training sequences"):
        task.on_train_start()


UNTIL = ("train", "data=adding", "data.length=4", "data.train_size=500", "data.val_size=500", "data.test_size=50",
         "cell=lstm", "cell.hidden_size=16", "optimizer.lr=2e-2", "callbacks=until_solved", "trainer=cpu", "logger=none")  # fmt: skip


def test_training_ends_when_the_task_is_solved(seqlab: Command, tmp_path: Path) -> None:
    """At the first validation with an error of a hundredth of chance; the sequences until then are told."""
    seqlab(*UNTIL, "trainer.max_epochs=200")
    (folder,) = find([tmp_path / "runs"])
    summary = json.loads((folder / "summary.json").read_text())
    rows = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    scores = [float(score) for row in rows[1:] if (score := row[rows[0].index("val/mse")])]
    assert scores[-1] <= 1 / 600 < min(scores[:-1])
    assert summary["solved"] == {"success": 500 * len(scores)} == {"success": summary["sequences"]}


def test_training_that_is_over_has_not_solved_its_task(seqlab: Command, tmp_path: Path) -> None:
    """It is told as never met."""
    seqlab(*UNTIL, "trainer.max_epochs=1")
    (folder,) = find([tmp_path / "runs"])
    assert json.loads((folder / "summary.json").read_text())["solved"] == {"success": None}


def test_what_is_judged_is_the_main_metric(train: Command, tmp_path: Path) -> None:
    """And not the loss: that of five symbols begins at ln 5, which as an accuracy would be more than enough."""
    train("data=bucket_sort", "callbacks=until_solved")
    (folder,) = find([tmp_path / "runs"])
    assert json.loads((folder / "summary.json").read_text())["solved"] == {"success": None}


def test_data_that_do_not_know_the_best_are_never_solved(seqlab: Command) -> None:
    """A text's entropy is not known; one line says so."""
    refused = seqlab("train", "data=text", "callbacks=until_solved", "trainer=cpu", "logger=none")
    assert refused.code == 2
    assert "do not know the best possible bits_per_character" in refused.err
