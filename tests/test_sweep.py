"""A sweep: every job a process of its own, one failure stops nothing, and the same command makes what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TINY, Command
from seqlab.engines import local
from seqlab.ledger import find
from seqlab.runs import Run

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


NOSY = """
from pathlib import Path
from torch import nn

class Nosy(nn.RNN):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, batch_first=True)
        file = Path("mine/cell/nosy.yaml")
        file.write_text(file.read_text().replace("hidden_size: 4", "hidden_size: 99"))
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
    sweep = ["train", "-m", "hydra/launcher=basic", "seed=1,2", "logger=none", *TINY]
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


@pytest.mark.parametrize("workers", ["0", "-1", "2.5", "many"])
def test_a_number_of_workers_that_cannot_be_is_refused(seqlab: Command, tmp_path: Path, workers: str) -> None:
    """In one line, before anything is prepared."""
    answer = seqlab("train", "-m", "seed=1", f"hydra.launcher.workers={workers}", "logger=none", *TINY)
    assert answer.code == 2
    assert f"hydra.launcher.workers: got {workers}; expected an integer of at least 1" in answer.err
    assert not (tmp_path / "runs").exists()


def test_workers_share_the_cards_and_no_run_sees_another_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run per GPU by default; where more are asked for, they take turns."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert local.gpus() == ["2", "5"]
    run = Run({"threads": 1})
    assert local._environment(run, ["5"])["CUDA_VISIBLE_DEVICES"] == "5"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local.gpus() == []


def test_the_configurations_of_a_sweep_are_frozen_when_it_starts(seqlab: Command, tmp_path: Path) -> None:
    """All folders are there before the first run starts, and what is edited later makes no difference to them."""
    cell = tmp_path / "mine" / "cell"
    cell.mkdir(parents=True)
    (tmp_path / "mine" / "nosy.py").write_text(NOSY)
    (cell / "nosy.yaml").write_text("_target_: nosy.Nosy\n_partial_: true\nhidden_size: 4\n")
    sweep = ["train", "-m", "--config-dir", "mine", "cell=nosy", "seed=1,2,3", "logger=none", "trainer=cpu"]
    answer = seqlab(*sweep, *[word for word in TINY if "hidden_size" not in word], "hydra.launcher.workers=1")
    assert answer.code == 0, answer.err
    assert "hidden_size: 99" in (cell / "nosy.yaml").read_text(), "a run edits the file that it is made of"
    folders = find([tmp_path / "runs"])
    assert len(folders) == 3
    assert all("hidden_size: 4\n" in (folder / "config.yaml").read_text() for folder in folders)
    assert len({json.loads((folder / "summary.json").read_text())["parameters"] for folder in folders}) == 1


def test_a_run_that_another_sweep_is_making_is_waited_for(seqlab: Command, tmp_path: Path) -> None:
    """It is not made twice, and it is not a failure."""
    sweep = ["train", "-m", "seed=1,2", "logger=none", *TINY]
    command = [sys.executable, "-m", "seqlab", *sweep]
    others = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [other.communicate()[0] for other in others]
    assert [other.returncode for other in others] == [0, 0], told
    for folder in find([tmp_path / "runs"]):
        assert (folder / "log.txt").read_text().count(": finished, test/") == 1


def test_a_launcher_without_a_sweep_is_refused(seqlab: Command, tmp_path: Path) -> None:
    """Hydra would not use it and not say so: the run would be made here, and not on the cluster."""
    answer = seqlab("train", "hydra/launcher=in_process", "logger=none", *TINY)
    assert answer.code == 2
    assert "hydra/launcher=in_process: says where the runs of a sweep are made. Add -m." in answer.err
    assert not (tmp_path / "runs").exists()
