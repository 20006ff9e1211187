"""The flow of errors is looked at while a run is made, and the run is the same as if it had not been."""

from __future__ import annotations

import csv
import logging
import math
import signal
from pathlib import Path
from typing import Any

import pytest

from exact import DROPOUT, TEXT, WORDS, differences, run_of, state_of
from seqlab import lines
from seqlab.callbacks import gradients
from seqlab.callbacks.gradients import scalars
from seqlab.checkpoints import BEST, LAST
from seqlab.errors import ConfigError, Interrupted
from seqlab.experiment import build, make
from seqlab.models.flow import measure
from seqlab.plugins import options
from seqlab.runs import Run

TASKS: dict[str, list[str]] = {
    "last": [],
    "every": ["data=copy", "data.length=5"],
    "masked": ["data=selective_copy", "data.length=20"],
    "carried": TEXT,
    "translation": WORDS,
    "translation, attention": [*WORDS, "model.attention=true"],
}
"""One of each place where a loss may count, and of each model that takes every cell."""


def rows_of(run: Run) -> list[dict[str, str]]:
    with (run.folder / "metrics.csv").open(newline="") as file:
        return [{name: row[name] for name in row if name != "train/seconds"} for row in csv.DictReader(file)]


def logged(run: Run, name: str) -> list[float]:
    return [float(row[name]) for row in rows_of(run) if row.get(name)]


@pytest.mark.parametrize(("every", "steps"), [(1, [0, 7, 14, 21]), (2, [0, 14, 21]), (9, [0, 21])])
def test_it_is_measured_at_the_start_after_every_so_many_validations_and_at_the_end(
    tmp_path: Path, every: int, steps: list[int]
) -> None:
    """A line each time, none twice; and a row of numbers, of the step that Lightning gives the validation's.

    What Lightning validates before training, to see whether it could, does not count.
    """
    run = run_of(tmp_path, f"callbacks.gradients.every={every}", "trainer.num_sanity_val_steps=1")
    make(run)
    told = lines.read(run.folder / "gradients.jsonl")
    assert [line["step"] for line in told] == steps
    for line in told:
        assert len(line["flow"]) == 6
        assert all(math.isfinite(value) for value in [*line["flow"], *line["beyond"].values()])
        assert sorted(line["saturation"]) == ["forget", "input", "output"]
        assert line["sequences"] == 10
    rows = [row for row in rows_of(run) if row["gradient/spectral_radius"]]
    assert [row["step"] for row in rows] == [str(max(step - 1, 0)) for step in steps]
    radii = [max(line["radius"]["coded.cell.weight_hh_l0"]) for line in told]
    assert [float(row["gradient/spectral_radius"]) for row in rows] == radii


@pytest.mark.parametrize(
    "words",
    [DROPOUT, [*DROPOUT, "~callbacks.resume"], [*TEXT, "cell=gru", "trainer.val_check_interval=3"]],
    ids=["dropout", "dropout, nothing seeded anew", "carried"],
)
def test_a_run_is_the_same_whether_it_is_looked_at_or_not(tmp_path: Path, words: list[str]) -> None:
    """Its name, its weights, all of its other metrics, what is drawn at random, and what is carried along a text."""
    looked = run_of(tmp_path / "looked", *words, "callbacks.gradients.every=1")
    plain = run_of(tmp_path / "plain", *words, "~callbacks.gradients")
    for run in (looked, plain):
        make(run)
    assert looked.id == plain.id
    assert (looked.folder / "gradients.jsonl").exists()
    assert not (plain.folder / "gradients.jsonl").exists()

    rows = [{name: row[name] for name in rows_of(plain)[0]} for row in rows_of(looked)]
    assert [row for row in rows if any(list(row.values())[2:])] == rows_of(plain)
    kept = BEST if "~callbacks.resume" in words else LAST
    checkpoints = [state_of(run.folder / "checkpoints" / kept) for run in (looked, plain)]
    for part in ("state_dict", "optimizer_states", "carried"):
        assert list(differences(checkpoints[0][part], checkpoints[1][part])) == []


@pytest.mark.parametrize(
    ("cell", "task"), [(cell, task) for cell in options("cell") for task in TASKS if (cell, task) != ("hmm", "last")]
)
def test_every_cell_can_be_measured_on_every_kind_of_task(tmp_path: Path, cell: str, task: str) -> None:
    """Finite at each lag, with something at lag 0, and shares that are shares."""
    words = [f"cell={cell}", *TASKS[task]]
    if cell == "attention":
        words.append("cell.heads=1")
    if cell == "hmm" and task != "carried":
        words.append("model=encoder_decoder" if task.startswith("translation") else "model=sequence")
    built = build(run_of(tmp_path, *words))
    found = measure(
        built.task.model, lambda b: built.task.loss(b, "val"), built.data.batches("val")[0], built.data.spec, 8
    )
    assert found is not None
    assert 0 < found.sequences <= 8
    assert len(found.flow) > 5
    assert all(math.isfinite(value) and value >= 0 for value in found.flow)
    assert found.flow[0] > 0
    assert found.beyond[0] > 0
    assert (cell in ("lstm", "gru", "lstm_native", "gru_native", "lstm_1997")) is bool(found.saturation)


def steps_of(weights: dict[str, Any], before: dict[str, Any]) -> float:
    return math.sqrt(sum(float((weights[name] - before[name]).double().square().sum()) for name in weights))


@pytest.mark.parametrize("accumulated", [1, 2])
def test_norms_are_those_before_and_after_clipping(tmp_path: Path, accumulated: int) -> None:
    """With plain gradient descent at rate one, a step is the clipped gradient; where batches add up, theirs together."""
    words = ["optimizer=sgd", "optimizer.lr=1", "trainer.max_epochs=1"]
    words += [f"trainer.accumulate_grad_batches={accumulated}", f"trainer.limit_train_batches={accumulated}"]
    found = {}
    for clip in ("null", "0.01"):
        run = run_of(tmp_path / clip, *words, f"trainer.gradient_clip_val={clip}")
        before = {name: value.clone() for name, value in build(run).task.state_dict().items()}
        make(run)
        (norm,), (clipped,) = logged(run, "gradient/norm"), logged(run, "gradient/norm_clipped")
        moved = steps_of(state_of(run.folder / "checkpoints" / LAST)["state_dict"], before)
        assert moved == pytest.approx(clipped, rel=1e-3)
        found[clip] = norm, clipped
        (row,) = [row for row in rows_of(run) if row["gradient/norm"]]
        assert row["train/loss"]
        assert row["gradient/norm_clipped"]
    assert found["null"][0] == found["null"][1] == found["0.01"][0] > 0.01
    assert found["0.01"][1] == pytest.approx(0.01, rel=1e-3)


def test_norms_are_logged_on_the_steps_that_are_logged(tmp_path: Path) -> None:
    """Beside the training loss, in its row."""
    run = run_of(tmp_path, "trainer.log_every_n_steps=3")
    make(run)
    rows = [row for row in rows_of(run) if row["train/loss"]]
    assert [row["step"] for row in rows] == ["2", "5", "8", "11", "14", "17", "20"]
    assert all(row["gradient/norm"] and row["gradient/norm_clipped"] for row in rows)
    assert sum(bool(row["gradient/norm"]) for row in rows_of(run)) == len(rows)


@pytest.mark.parametrize(("cell", "known"), [("vanilla", True), ("gru", False)])
def test_the_reach_of_the_gradient_is_told_where_a_cell_knows_it(tmp_path: Path, cell: str, known: bool) -> None:
    """Through how many of its steps the gradient of a last state came."""
    run = run_of(tmp_path, f"cell={cell}", "data.length=12")
    make(run)
    rows = [row for row in rows_of(run) if row["gradient/norm"]]
    assert rows
    assert [row.get("gradient/reach") for row in rows] == ["12.0" if known else None] * len(rows)


def failing(*_: object) -> None:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("name", "value", "warns"), [("measure", failing, True), ("measure", lambda *_: None, False), ("ROOM", 1, False)]
)
def test_what_cannot_be_measured_leaves_no_file_and_harms_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: Any,
    warns: bool,
) -> None:
    """A failure is told once; a model without a cell, and states that are too large, are left alone."""
    monkeypatch.setattr(gradients, name, value)
    run = run_of(tmp_path, "callbacks.gradients.every=1")
    with caplog.at_level(logging.WARNING):
        make(run)
    assert run.finished
    assert not (run.folder / "gradients.jsonl").exists()
    assert caplog.text.count("cannot be measured (out of memory)") == warns


def test_a_request_to_stop_is_heeded_while_it_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no failure of the measurement."""

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(gradients, "measure", interrupt)
    with caplog.at_level(logging.WARNING), pytest.raises(Interrupted):
        make(run_of(tmp_path))
    assert "cannot be measured" not in caplog.text


def test_a_horizon_that_is_not_reached_has_another_name() -> None:
    """So that no number is taken for a horizon that is none; where nothing arrives at all there is nothing to tell."""
    line = {"flow": [1.0, 0.5, 0.001], "horizon": 2, "radius": {"U": [0.5, 0.9]}, "saturation": {"input": [0.25, 0.5]}}
    rest = {"gradient/spectral_radius": 0.9, "gradient/saturated_input": 0.75}
    assert scalars(line) == {"gradient/horizon": 2, **rest}
    assert scalars({**line, "horizon": None}) == {"gradient/horizon_above": 2, **rest}
    assert scalars({**line, "horizon": None, "flow": [0.0, 0.0], "radius": {"U": []}, "saturation": {}}) == {}


def test_a_number_of_validations_below_one_is_refused(tmp_path: Path) -> None:
    """In one line that names the group."""
    with pytest.raises(ConfigError, match=r"callbacks=default: every must be at least 1, got 0"):
        make(run_of(tmp_path, "callbacks.gradients.every=0"))
