"""Signals: what has been done is kept, the exit code says who asked, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import pytest

from child import Child
from conftest import Command
from exact import differences, result_of
from seqlab.ledger import find, status
from seqlab.runs import Run

LONG = [
    "train",
    "trainer=cpu",
    "logger=none",
    "cell.hidden_size=4",
    "data.length=6",
    "data.train_size=12000",
    "data.val_size=20",
    "data.test_size=20",
    "data.batch_size=10",
    "trainer.max_epochs=1",
    "callbacks.resume.every=0.3",
]
"""Twelve hundred steps: some seconds."""


def trains(folder: Path, ended: Callable[[], bool], sign: str = "last.ckpt") -> None:
    """Wait until a file says that a process trains, which must not end before."""
    deadline = time.monotonic() + 60
    while not glob(f"**/{sign}", root_dir=folder, recursive=True):  # folders come and go meanwhile
        assert not ended(), "it ended before it trained"
        assert time.monotonic() < deadline, "it did not begin to train"
        time.sleep(0.05)


@contextmanager
def running(folder: Path, *words: str, sign: str = "last.ckpt") -> Iterator[subprocess.Popen[str]]:
    """The command, in a process group of its own, once a file says that it trains."""
    command = [sys.executable, "-m", "seqlab", *LONG, *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        trains(folder, lambda: process.poll() is not None, sign)
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the run comes to that nobody stops."""
    place = tmp_path_factory.mktemp("straight")
    assert Child(place, *LONG).wait(60) == 0
    (folder,) = find([place])
    return result_of(Run.load(folder))


@pytest.mark.parametrize(
    ("number", "code", "state"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "preempted"),
        (signal.SIGUSR1, 143, "preempted"),
        (signal.SIGUSR2, 143, "preempted"),
    ],
)
def test_a_signal_keeps_what_has_been_done(
    seqlab: Command, tmp_path: Path, straight: dict, number: signal.Signals, code: int, state: str
) -> None:
    """A checkpoint of the step at which it stopped, its status, its exit code, and the command that goes on."""
    child = Child(tmp_path, *LONG)
    trains(tmp_path, lambda: child.ended)
    child.signal(number)
    assert child.wait(30) == code
    (folder,) = find([tmp_path])
    assert status(folder).state == state
    err = child.err.read_text()
    assert err.strip().endswith(f"Go on with: seqlab resume runs/{folder.name}")
    assert err.count("\n") == 1
    step = int(err.partition("stopped at step ")[2].partition(".")[0])
    assert 0 < step < 1200
    again = seqlab("resume", str(folder))
    assert again.code == 0, again.err
    assert f"goes on from step {step}" in again.out
    assert list(differences(straight, result_of(Run.load(folder)))) == []


def test_a_second_interrupt_is_immediate_and_everything_is_whole(tmp_path: Path) -> None:
    """It need not wait for the step, and the run goes on from its last checkpoint."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "slow.py").write_text(
        "import time\nfrom torch import nn\n"
        "class Slow(nn.RNN):\n"
        "    def __init__(self, input_size, hidden_size):\n"
        "        super().__init__(input_size, hidden_size, batch_first=True)\n"
        "    def forward(self, x, state=None):\n"
        "        time.sleep(60 if self.training and len(x) > 2 else 0)\n"
        "        return super().forward(x, state)\n"
    )
    (tmp_path / "mine" / "cell" / "slow.yaml").write_text("_target_: slow.Slow\n_partial_: true\nhidden_size: 4\n")
    with running(tmp_path, "--config-dir", "mine", "cell=slow", sign="progress.json") as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "the first waits for the step"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - started < 5
    (folder,) = find([tmp_path / "runs"])
    assert status(folder).state == "interrupted"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sweep_that_is_stopped_stops_its_runs_and_goes_on(
    seqlab: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The signal reaches the parent alone; its runs keep what they have; the same command makes the rest."""
    sweep = ["-m", "seed=1,2,3", "hydra.launcher.workers=2"]
    with running(tmp_path, *sweep) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "The same command makes what is missing" in err
    states = [status(folder).state for folder in find([tmp_path])]
    assert states.count("missing") == 1
    assert set(states) == {"missing", "preempted"}
    again = seqlab(*LONG, *sweep)
    assert again.code == 0, again.err
    logs = "".join((folder / "log.txt").read_text() for folder in find([tmp_path]))
    assert logs.count("goes on from step") >= 1
    assert {json.loads((f / "summary.json").read_text())["steps"] for f in find([tmp_path])} == {1200}


def test_runs_of_a_sweep_end_with_their_parent(tmp_path: Path) -> None:
    """A parent that is killed takes its runs with it, which keep what they have."""
    with running(tmp_path, "-m", "seed=1,2", "hydra.launcher.workers=2") as process:
        process.kill()
        process.wait()
        deadline = time.monotonic() + 30
        while any(status(folder).state == "running" for folder in find([tmp_path])):
            assert time.monotonic() < deadline, "orphans go on"
            time.sleep(0.1)
    assert {status(folder).state for folder in find([tmp_path])} <= {"preempted", "interrupted", "missing"}
