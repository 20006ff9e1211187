"""Steps at which nothing happens are made without Lightning, to the same bits; the others are its own.

That the bits are the same shows in ``test_resume``, too: there a run that looks at every step is held against one that
does not, in all configurations.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl

from exact import CONFIGURATIONS, DRAWN, differences, result_of, run_of
from seqlab import experiment, strides
from seqlab.errors import Diverged
from seqlab.strides import Overlooking, StridingLoop

LOOSE = ("trainer.log_every_n_steps=50", "callbacks.resume.every=1000")
PLAIN = ("cell=vanilla", "data.train_size=320", "data.batch_size=8", "trainer.max_epochs=2", *LOOSE)
STRIDING = {
    name: CONFIGURATIONS[name]
    for name in (
        "dropout",
        "shuffled",
        "carried, dropout",
        "masked",
        "vanilla",
        "workers",
        "cosine by step",
        "plateau",
        "early stopping fires",
        "validation inside an epoch",
        "validation by steps",
        "steps, not epochs",
    )
} | {
    "success by validation": ["data=reber", *DRAWN[2:]],
    "early stopping waits for a step": [*CONFIGURATIONS["early stopping fires"], "+trainer.min_steps=38"],
}
"""Configurations whose steps are made in strides."""


class Watching(pl.Callback):
    """Counts the steps that Lightning tells of."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(trainer.global_step)


class Lenient(Watching, Overlooking):
    """The same, and the others beside."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = [], []

    def before_unwatched(self, trainer: Any, pl_module: Any) -> None:
        self.before.append(trainer.global_step)

    def after_unwatched(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        self.after.append(trainer.global_step)


def made(root: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str, callback: pl.Callback | None = None) -> Any:
    """A run with one more callback."""
    usual = experiment._callbacks
    monkeypatch.setattr(experiment, "_callbacks", lambda *of_run: [*usual(*of_run), *([callback] if callback else [])])
    run = run_of(root, *PLAIN, *overrides)
    experiment.make(run)
    monkeypatch.setattr(experiment, "_callbacks", usual)
    return run


def test_lightning_has_the_steps_at_which_something_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are logged or validated, the last of an epoch and the last of all."""
    lenient = Lenient()
    words = "trainer.log_every_n_steps=15", "trainer.val_check_interval=11", "trainer.max_steps=58"
    made(tmp_path, monkeypatch, *words, callback=lenient)
    logged, validated, ends = {15, 30, 45}, {11, 22, 33, 51}, {40, 58}
    assert set(lenient.seen) == logged | validated | ends
    assert lenient.before == [step - 1 for step in lenient.after]
    assert sorted(lenient.seen + lenient.after) == list(range(1, 59))


def test_a_callback_of_somebody_else_sees_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has hooks of a step, and does not say that it can do without."""
    watching = Watching()
    made(tmp_path, monkeypatch, callback=watching)
    assert watching.seen == list(range(1, 81))


@pytest.mark.parametrize("words", [*map(CONFIGURATIONS.get, ("bf16", "accumulation", "hmm")), ["trainer=profile"]])
def test_a_step_that_is_more_than_that_is_lightnings(words: list[str], tmp_path: Path) -> None:
    """Such as one with other numbers, one that learns in a way of its own, or one whose parts are timed."""
    run = run_of(tmp_path, *words, *LOOSE)
    experiment.make(run, lambda *_: pytest.fail("a stride was made"))
    assert run.finished


@pytest.mark.parametrize("name", STRIDING)
def test_strides_change_no_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of weights, optimizer, schedules, counters, metrics, logged rows, samples."""
    made: list[int] = []

    def stride(loop: StridingLoop, ahead: int) -> None:
        made.append(ahead)
        strides.alone(loop, ahead)

    strided, other = (run_of(tmp_path / loop, *STRIDING[name], *LOOSE) for loop in ("strided", "other"))
    experiment.make(strided, stride)
    assert made
    monkeypatch.setattr(StridingLoop, "_ahead", lambda _: 0)
    experiment.make(other)
    assert list(differences(result_of(other), result_of(strided))) == []


def test_divergence_is_told_at_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nobody looks at that step."""
    words = "optimizer=sgd", "optimizer.lr=1e30", "trainer.gradient_clip_val=null", "cell.nonlinearity=relu"
    told = []
    for loop in ("strided", "not"):
        if loop == "not":
            monkeypatch.setattr(StridingLoop, "_ahead", lambda _: 0)
        with pytest.raises(Diverged) as error:
            made(tmp_path / loop, monkeypatch, *words)
        told.append(str(error.value))
    assert told[0] == told[1]
    assert "at step 50" not in told[0]


@pytest.mark.parametrize(("of", "steps"), [(1, 5), (5, 1)])
def test_those_that_take_turns_share_the_time(of: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that all of them together are no longer away than one alone."""
    made: list[object] = []
    clock = itertools.count()
    monkeypatch.setattr(strides, "step", lambda _, batch: made.append(batch))
    monkeypatch.setattr(strides, "LONGEST", 4.5)
    monkeypatch.setattr(strides.time, "monotonic", lambda: next(clock))
    strides.alone(SimpleNamespace(begin=object), 100, of)  # type: ignore[arg-type]
    assert len(made) == steps


def test_a_stride_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a request to stop is heard after as much, and not after all that could be made without a look."""
    lenient = Lenient()
    monkeypatch.setattr(strides, "LONGEST", 0.0)
    made(tmp_path, monkeypatch, callback=lenient)
    assert len(lenient.seen) == len(lenient.after) == 40
