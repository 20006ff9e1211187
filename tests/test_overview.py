"""What is told of many runs: while they run, before they are begun, and when they are thousands."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from conftest import TINY, Command
from seqlab import rehearsal
from seqlab.config import composed
from seqlab.engines.local import forking
from seqlab.ledger import Status, find, status
from seqlab.overview import time_left
from seqlab.rehearsal import apart, rehearse
from seqlab.runs import Run
from seqlab.terminal import duration, size

METRIC = {"metric": {"name": "mse", "goal": "min", "unit": ""}, "references": {}}


def put(root: Path, seed: int, **summary: object) -> Run:
    run = Run({"id": f"adding-lstm-00000000-s{seed}", "seed": seed, "runs_dir": str(root)})
    run.prepare()
    if summary:
        with run.lease():
            run.conclude({**METRIC, "test": {"test/mse": 0.5}, "seconds": 60.0, **summary})
    return run


def test_each_state_is_read_off_the_folder(tmp_path: Path) -> None:
    """Missing before it starts, running while it is held, interrupted when it was killed, and what it says at its end."""
    run = put(tmp_path, 1)
    assert run.status.state == "missing"
    with run.lease():
        assert status(run.folder).state == "running"
        run.report({"step": 25, "of": 100, "seconds": 30.0})
        running = status(run.folder)
        assert (running.share, running.left(running.changed + 10)) == (0.25, 80.0)
    assert run.status.state == "interrupted"
    for state in ("failed", "diverged", "preempted", "interrupted", "finished"):
        with run.lease():
            run.conclude({"status": state, "error": "so"})
        assert run.status.state == state
    assert not (run.folder / "progress.json").exists()


def test_status_counts_all_and_shows_what_a_person_looks_for_first(seqlab: Command, tmp_path: Path) -> None:
    """A line of counts; running and failed runs above finished ones, of which the latest are enough."""
    for seed in range(30):
        put(tmp_path / "runs", seed, status="finished")
    put(tmp_path / "runs", 30, status="failed", error="RuntimeError: not today", exit_code=1)
    put(tmp_path / "runs", 31)
    with put(tmp_path / "runs", 32).lease():
        answer = seqlab("status", "runs")
        assert answer.code == 0
        lines = answer.out.splitlines()
        assert lines[0] == "33 runs: 30 finished, 1 running, 1 failed, 1 missing; about 60 s left"
        states = [line.split()[1] for line in lines[4:] if not line.startswith("…")]
        assert states == ["running", "failed", "missing", *["finished"] * 12]
        assert "… 18 more" in answer.out
        assert "RuntimeError: not today" in answer.out
        assert max(map(len, lines)) <= 80
        assert seqlab("status", "runs", "--all").out.count("finished") == 31


def test_the_time_left_counts_what_waits_by_what_has_been_made() -> None:
    """Two run at once, of which one has said how far it is; four wait; each takes 100 s."""
    done = Status(Path("a"), "finished", {"seconds": 100.0})
    half = Status(Path("b"), "running", {}, {"step": 5, "of": 10, "seconds": 50.0}, changed=1000.0)
    new = Status(Path("c"), "running", {}, {}, changed=1000.0)
    missing = [Status(Path(str(i)), "missing") for i in range(4)]
    assert time_left([done, half, new, *missing], now=1000.0) == pytest.approx((50 + 4 * 100) / 2)
    assert time_left([done, *missing], now=1000.0) is None


def test_a_dry_run_says_what_a_sweep_would_cost_and_makes_nothing(seqlab: Command, tmp_path: Path) -> None:
    """How many, how many are finished already, how long, how much disk; measured, and nothing is left behind."""
    sweep = ["train", "-m", "logger=none", *TINY, "cell=rnn,gru", "seed=1,2"]
    answer = seqlab(*sweep, "--dry-run")
    assert answer.code == 0, answer.err
    assert "4 runs: 0 finished already, 4 to make, in runs" in answer.out
    assert "Measuring 2 of 2 experiments" in answer.out
    assert "of computing" in answer.out
    assert not (tmp_path / "runs").exists()
    assert seqlab("train", "-m", "logger=none", *TINY, "cell=rnn", "seed=1,2").code == 0
    assert "4 runs: 2 finished already, 2 to make" in seqlab(*sweep, "--dry-run").out
    assert len(find([tmp_path / "runs"])) == 2


def parent(_: Run) -> int:
    return os.getppid()


def takes_denormals_as_zero(run: Run) -> bool:
    import torch

    rehearse(run)
    return not torch.tensor(1e-40).mul(1).item()


def test_a_run_is_measured_where_local_runs_are_made(tmp_path: Path) -> None:
    """In a process of the same fork server, set up in the same way, so that both take as long."""
    run = composed(["logger=none", *TINY, f"runs_dir={tmp_path}"])
    with ProcessPoolExecutor(1, mp_context=forking()) as pool:
        server = pool.submit(os.getppid).result()
    assert apart(parent, run) == server
    assert apart(takes_denormals_as_zero, run)


def test_all_steps_of_a_rehearsal_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are made in strides among them, of which Lightning does not tell."""
    watch = rehearsal._stopwatch()
    monkeypatch.setattr(rehearsal, "_stopwatch", lambda: watch)
    rehearse(composed(["logger=none", *TINY, f"runs_dir={tmp_path}", "trainer.limit_train_batches=40"]))
    assert len(watch.train) == rehearsal.STEPS


def test_a_dry_run_of_what_cannot_run_says_why(seqlab: Command) -> None:
    """Before the night, and in one line."""
    answer = seqlab("train", "-m", "logger=none", *TINY, "data.length=1", "seed=1,2", "--dry-run")
    assert answer.code == 2
    assert "data.length=1: expected at least 2." in answer.err
    assert answer.err.count("\n") == 1


def test_a_launcher_that_cannot_rehearse_says_so(seqlab: Command) -> None:
    """Hydra's own know nothing of it."""
    answer = seqlab("train", "-m", "hydra/launcher=basic", "seed=1", "logger=none", *TINY, "--dry-run")
    assert answer.code == 2
    assert answer.err == (
        "seqlab: --dry-run: this launcher is Hydra's own and cannot. Leave hydra/launcher away for that.\n"
    )


def test_a_sweep_may_be_a_file(seqlab: Command, tmp_path: Path) -> None:
    """It runs without -m, what is given on the command line wins, and the same again finds it finished."""
    command = ["train", "experiment=adding_sweep", "logger=none", *TINY, "cell=rnn,gru"]
    assert seqlab(*command).code == 0
    folders = find([tmp_path / "runs"])
    assert len(folders) == 2 * 3
    assert {json.loads((f / "summary.json").read_text())["seed"] for f in folders} == {1, 2, 3}
    assert "6 runs: 6 finished already, 0 to make" in seqlab(*command).out


def test_an_experiment_may_choose_where_its_runs_are_made(seqlab: Command, tmp_path: Path) -> None:
    """The launcher is a choice like any other, of a file or of the command line."""
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "here.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/launcher: in_process\n"
    )
    command = ["train", "-m", "--config-dir", "mine", "experiment=here", "seed=1", "logger=none", *TINY]
    assert "parameters, state" in seqlab(*command).out, "made in this process, which shows what it says"
    assert "1 run: 1 finished already" in seqlab(*command, "hydra/launcher=local").out


def test_times_and_sizes_are_said_as_people_say_them() -> None:
    """Two units at most."""
    assert [duration(s) for s in (5, 89, 150, 12_000, 200_000)] == ["5 s", "89 s", "2 min", "3 h 20 min", "2 d 7 h"]
    assert [size(n) for n in (12, 4200, 3.2e9, 5e12)] == ["12 B", "4.2 kB", "3.2 GB", "5 TB"]
