"""A sweep: every job a process of its own, one failure stops nothing, and the same command makes what is missing."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import TINY, Command
from seqlab.runs import find

MOODY = """
import os, sys
from torch import nn

class Moody(nn.RNN):
    def __init__(self, input_size, hidden_size, mood):
        super().__init__(input_size, hidden_size, batch_first=True)
        self.mood = mood

    def forward(self, x, state=None):
        if len(x) > 2 and self.mood == "killed":
            os.kill(os.getpid(), 9)
        if len(x) > 2 and self.mood == "raises":
            raise RuntimeError("not today")
        h, state = super().forward(x, state)
        return (h * float("nan") if self.mood == "diverges" and len(x) > 2 else h), state
"""


def test_one_failing_job_stops_nothing_and_the_failures_are_listed(seqlab: Command, tmp_path: Path) -> None:
    """Killed, raised, diverged: each with its cause; the others finish; again, only what failed is tried again."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "moody.py").write_text(MOODY)
    (tmp_path / "mine" / "cell" / "moody.yaml").write_text(
        "_target_: moody.Moody\n_partial_: true\nhidden_size: 4\nmood: fine\n"
    )
    sweep = [
        "train",
        "-m",
        "--config-dir",
        "mine",
        "cell=moody",
        "cell.mood=killed,fine,raises,diverges",
        "logger=none",
        *TINY,
    ]
    answer = seqlab(*sweep)
    assert answer.code == 1
    assert "4 runs: 0 finished already, 4 to make" in answer.out
    assert "3 of 4 runs did not finish:" in answer.err
    assert "1 × interrupted: its process was killed by SIGKILL" in answer.err
    assert "1 × failed: " in answer.err
    assert "RuntimeError: not today" in answer.err
    assert "1 × diverged: train/loss is nan at step" in answer.err
    statuses = [(folder / "summary.json").exists() for folder in find([tmp_path / "runs"])]
    assert sorted(statuses) == [False, True, True, True]
    assert "4 runs: 1 finished already, 3 to make" in seqlab(*sweep).out


def test_another_seed_costs_one_more_run(seqlab: Command, tmp_path: Path) -> None:
    """Adding a value to a sweep runs what is missing; each run's data differ in their training stream alone."""
    assert seqlab("train", "-m", "seed=1,2", "logger=none", *TINY).code == 0
    answer = seqlab("train", "-m", "seed=1,2,3", "logger=none", *TINY)
    assert answer.code == 0
    assert "3 runs: 2 finished already, 1 to make" in answer.out
    folders = find([tmp_path / "runs"])
    assert [folder.name[-3:] for folder in folders] == ["-s1", "-s2", "-s3"]
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    assert len({summary["group"] for summary in summaries}) == 1
    assert len({summary["test"]["test/mse"] for summary in summaries}) == 3


def test_a_diverged_sweep_exits_three(seqlab: Command, tmp_path: Path) -> None:
    """Where divergence is all that went wrong, the exit code says so."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "moody.py").write_text(MOODY)
    (tmp_path / "mine" / "cell" / "moody.yaml").write_text(
        "_target_: moody.Moody\n_partial_: true\nhidden_size: 4\nmood: diverges\n"
    )
    answer = seqlab("train", "-m", "--config-dir", "mine", "cell=moody", "seed=1", "logger=none", *TINY)
    assert answer.code == 3


def test_sweeps_by_hydras_own_launcher_work_too(seqlab: Command, tmp_path: Path) -> None:
    """Identity and skipping live in the job, so they hold under every launcher."""
    sweep = ["train", "-m", "hydra/launcher=in_process", "seed=1,2", "logger=none", *TINY]
    assert seqlab(*sweep).code == 0
    assert len(find([tmp_path / "runs"])) == 2
    assert seqlab(*sweep).out.count("finished already") == 2


def test_resume_makes_a_prepared_run_and_leaves_a_finished_one(train: Command, seqlab: Command, tmp_path: Path) -> None:
    """Whoever has the folder can make the run."""
    train()
    (folder,) = find([tmp_path / "runs"])
    result = json.loads((folder / "summary.json").read_text())["test"]
    for file in ("summary.json", "metrics.csv", "checkpoints/last.ckpt"):
        (folder / file).unlink()
    assert seqlab("resume", str(folder)).code == 0
    assert json.loads((folder / "summary.json").read_text())["test"] == result
    assert "finished already" in seqlab("resume", str(folder)).out
