"""Runs of a pack come out as they would alone, each in its own folder, whatever becomes of the others."""

from __future__ import annotations

import csv
import json
import signal
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch

from exact import CONFIGURATIONS, DRAWN, differences, result_of, run_of
from seqlab import experiment
from seqlab.callbacks.checkpoints import ExactResume
from seqlab.cells.bptt import native
from seqlab.checkpoints import LAST, read
from seqlab.errors import Interrupted, SeqlabError
from seqlab.heads import Readout, cross_entropy
from seqlab.ledger import NAMES
from seqlab.packs import Pack
from seqlab.packs.stack import Stack, together
from seqlab.runs import Run
from seqlab.spec import IGNORE

by_c = pytest.mark.skipif("no C compiler" in native.obstacle(torch.zeros(1)), reason="needs a C compiler")
LOOSE = ("trainer.log_every_n_steps=50", "callbacks.resume.every=1000")
STACKING = ("drawn", "shuffled", "carried", "cosine by step", "validation inside an epoch", "steps, not epochs")
COPY = ["data=copy", *DRAWN[1:]]
OWN = (
    "seed=1",
    "seed=2 optimizer.lr=0.01",
    "seed=3 scheduler=exponential scheduler.interval=step",
    "seed=4 trainer.gradient_clip_val=0.01",
)


def made_together(runs: Sequence[Run], pack: Pack | None = None) -> None:
    """Make some runs as a pack."""
    pack = pack or Pack()

    def make(run: Run) -> None:
        with suppress(SeqlabError):
            experiment.make(run, pack.stride)

    pack.make([partial(make, run) for run in runs])


def runs_in(root: Path, *overrides: str) -> list[Run]:
    """Some that differ in seed, learning rate, schedule and clipping."""
    return [run_of(root, "cell=vanilla", *overrides, *LOOSE, *own.split()) for own in OWN]


def rows(run: Run) -> list[dict[str, float]]:
    """What ``metrics.csv`` says, without times."""
    with (run.folder / NAMES["metrics"]).open() as file:
        return [{k: float(v) for k, v in row.items() if v and "seconds" not in k} for row in csv.DictReader(file)]


@pytest.fixture
def strides(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs have made each stride together."""
    seen: list[int] = []

    def counting(stack: Stack, ahead: int, tried: set[bool]) -> bool:
        seen.append(len(stack.loops))
        return together(stack, ahead, tried)

    monkeypatch.setattr("seqlab.packs.pack.together", counting)
    return seen


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        *product((*STACKING, "copy"), ("cell.engine=torch", "cell.engine=auto")),
        pytest.param("carried", "cell=lstm_native", marks=by_c),
        pytest.param("copy", "cell=gru_native", marks=by_c),
    ],
)
def test_runs_of_a_pack_are_those_that_they_are_alone(name: str, cell: str, tmp_path: Path, strides: list[int]) -> None:
    """Within rounding: rows, weights, what the optimizer knows, counters; the seeds are not each other's."""
    words = [*(COPY if name == "copy" else CONFIGURATIONS[name]), cell]
    alone, packed = runs_in(tmp_path / "alone", *words), runs_in(tmp_path / "packed", *words)
    for run in alone:
        experiment.make(run)
    made_together(packed)
    assert set(strides) == {4}
    for one, other in zip(alone, packed, strict=True):
        for before, after in zip(rows(one), rows(other), strict=True):
            assert after == pytest.approx(before, rel=1e-3, abs=1e-5)
        states = [read(run.folder / "checkpoints" / LAST) for run in (one, other)]
        for a, b in zip(*(state["state_dict"].values() for state in states), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
        (a,), (b,) = (state["optimizer_states"] for state in states)
        assert a["param_groups"] == b["param_groups"]
        torch.testing.assert_close(a["state"], b["state"], rtol=1e-3, atol=1e-4)
        assert states[0]["loops"] == states[1]["loops"]
        assert states[0]["lr_schedulers"] == states[1]["lr_schedulers"]
    finals = [read(run.folder / "checkpoints" / LAST)["state_dict"]["model.readout.V"] for run in packed]
    assert not torch.allclose(finals[0], finals[2])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("cell=lstm", "LSTM (coded.cell) computes one net at a time"),
        ("cell.num_layers=2 cell.dropout=0.5", "gradients come out otherwise"),
    ],
)
def test_what_cannot_be_computed_together_is_computed_alone_to_the_same_bits(
    words: str, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A cell that takes no stack of weights, and a model that draws random numbers; the log says why, once."""
    alone, packed = (runs_in(tmp_path / made, *words.split()) for made in ("alone", "packed"))
    for run in alone:
        experiment.make(run)
    made_together(packed)
    for one, other in zip(alone, packed, strict=True):
        assert list(differences(result_of(one), result_of(other))) == []
    told = [record.getMessage() for record in caplog.records if "one after the other" in record.getMessage()]
    assert told == [f"{len(packed)} runs of a pack are computed one after the other: {why}."]


@pytest.mark.parametrize("cell", ["cell=vanilla", pytest.param("cell=lstm_native", marks=by_c)])
@pytest.mark.parametrize(
    ("data", "packed_with"),
    [
        ("parity", {4}),
        ("reverse_string", {4}),
        ("recall data.length=32 data.vocabulary_size=40", {4}),
        ("reber", {4}),
        ("two_sequence data.length=20 data.information=3", {1, 4}),
    ],
)
def test_sequences_of_other_lengths_or_places_that_count(
    data: str, packed_with: set[int], cell: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are others for each seed: what comes behind shorter ones is no part of them, but their last step is theirs."""
    words = [f"data={data.split()[0]}", *data.split()[1:], *DRAWN[2:], cell]
    alone, packed = (runs_in(tmp_path / made, *words) for made in ("alone", "packed"))
    for run in alone:
        experiment.make(run)
    made_together(packed)
    assert "one after the other" not in caplog.text
    summaries = [json.loads((run.folder / NAMES["summary"]).read_text()) for run in packed]
    assert {summary.get("packed", 1) for summary in summaries} <= packed_with
    for one, other in zip(alone, packed, strict=True):
        for before, after in zip(rows(one), rows(other), strict=True):
            assert after == pytest.approx(before, rel=1e-3, abs=1e-5)


def test_a_stride_that_cannot_be_made_together_is_made_alone(tmp_path: Path, strides: list[int]) -> None:
    """From the step on at which the last steps are at several places, and not ended: there is one in each epoch."""
    packed = runs_in(tmp_path, "data=two_sequence", "data.length=20", *DRAWN[2:], "trainer.max_epochs=3")
    made_together(packed)
    assert strides == [4, 4, 4]


def test_gradients_are_tried_again_where_lengths_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A model's own mean over all that counts is that of the means only where as much counts in each."""
    monkeypatch.setattr(Readout, "cross_entropy", lambda self, h, y: cross_entropy(self(h), y))
    pack = Pack()
    pack.tried = defaultdict(lambda: {True})
    made_together(runs_in(tmp_path, "data=reverse_string", *DRAWN[2:]), pack)
    assert "gradients come out otherwise" in caplog.text


def test_a_run_that_diverges_ends_alone(tmp_path: Path, strides: list[int]) -> None:
    """At the same step as it would without the others, which go on to their end."""
    wild = "optimizer=sgd", "trainer.gradient_clip_val=null", "cell.nonlinearity=relu"
    rates = ("seed=1", "seed=2 optimizer.lr=1e30", "seed=3")
    alone, packed = (
        [run_of(tmp_path / made, "cell=vanilla", *LOOSE, *wild, *own.split()) for own in rates]
        for made in ("alone", "packed")
    )
    for run in alone:
        with suppress(SeqlabError):
            experiment.make(run)
    made_together(packed)
    for one, other in zip(alone, packed, strict=True):
        assert one.status.state == other.status.state
        assert one.status.cause == other.status.cause
    assert [run.status.state for run in packed] == ["finished", "diverged", "finished"]
    assert {2, 3} & set(strides)


def test_a_run_goes_on_in_a_pack_where_it_stopped_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strides: list[int]
) -> None:
    """Beside one that begins: their optimizers are then at different steps."""
    straight = runs_in(tmp_path / "straight")[:2]
    for run in straight:
        experiment.make(run)
    stopped, begins = runs_in(tmp_path / "packed")[:2]
    usual = ExactResume.on_train_batch_start

    def stop_at_ten(self: ExactResume, trainer: Any, *rest: Any) -> None:
        self.stop.asked = signal.SIGINT if trainer.global_step == 10 else None
        usual(self, trainer, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(ExactResume, "steps_unwatched", lambda *_: 0)
        patched.setattr(ExactResume, "on_train_batch_start", stop_at_ten)
        with pytest.raises(Interrupted):
            experiment.make(stopped)
    assert stopped.status.state == "interrupted"
    made_together([stopped, begins])
    for one, other in zip(straight, (stopped, begins), strict=True):
        assert other.status.state == "finished"
        for before, after in zip(rows(one), rows(other), strict=True):
            assert after == pytest.approx(before, rel=1e-3, abs=1e-5)
    assert 2 in strides


def test_a_fault_in_a_stride_is_told_by_all_whose_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them goes on as if it had been made."""

    def faulty(*_: object) -> NoReturn:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("seqlab.packs.pack.together", faulty)
    packed = runs_in(tmp_path)[:2]
    made_together(packed)
    for run in packed:
        assert run.status.state == "failed"
        assert "ZeroDivisionError: odd" in run.status.cause


@pytest.mark.parametrize("carried", [True, False])
def test_a_state_that_is_carried_along_goes_through_no_filling(carried: bool) -> None:
    """Sequences are filled up only where nothing comes after them."""
    spec = SimpleNamespace(loss_at="masked", carried=carried)
    stack: Any = SimpleNamespace(lead=SimpleNamespace(spec=spec))
    batches = [(torch.ones(2, T, dtype=torch.int64), torch.ones(2, T, dtype=torch.int64)) for T in (3, 5)]
    joined = Stack._batch(stack, batches)
    assert (joined is None) == carried
    if joined:
        assert joined[0].tolist() == [[1, 1, 1, 0, 0]] * 2 + [[1] * 5] * 2
        assert joined[1].tolist() == [[1, 1, 1, IGNORE, IGNORE]] * 2 + [[1] * 5] * 2
