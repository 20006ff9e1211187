"""Jobs that differ only in what can be batched share a process; each has all that it has alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from conftest import TINY, WILD, Command
from exact import run_of
from seqlab.engines.packed import Packed
from seqlab.ledger import find, status
from test_stopping import running

SWEEP = ("train", "-m", "hydra/launcher=packed", "hydra.launcher.workers=1", "cell=vanilla")


def test_every_job_of_a_pack_is_a_run_of_its_own(seqlab: Command, tmp_path: Path) -> None:
    """Its folder, rows, log, checkpoints and tracker run; it tells of the pack, and the same command finds it finished."""
    words = (
        *SWEEP,
        *TINY,
        "trainer.limit_train_batches=5",
        "logger.wandb.mode=offline",
        "seed=1,2",
        "optimizer.lr=1e-3,1e-2",
    )
    answer = seqlab(*words)
    assert answer.code == 0, answer.err
    folders = find([tmp_path / "runs"])
    assert len(folders) == 4
    for folder in folders:
        log = (folder / "log.txt").read_text()
        assert log.count("parameters, state") == log.count(f"{folder.name}: finished") == 1
        assert "one after the other" not in log
        assert {"best.ckpt", "last.ckpt"} <= {path.name for path in (folder / "checkpoints").iterdir()}
        assert (folder / "metrics.csv").read_text().count("\n") > 2
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["wandb"]["id"] == folder.name
        assert summary["packed"] == 4
    assert "4 runs: 4 finished already, 0 to make" in seqlab(*words).out


def test_what_goes_wrong_in_one_is_told_and_the_others_are_made(seqlab: Command, tmp_path: Path) -> None:
    """As by every engine."""
    answer = seqlab(*SWEEP, "logger=none", *WILD, *TINY[1:], "optimizer.lr=1e30,1e-3")
    assert answer.code == 3
    assert "1 of 2 runs did not finish" in answer.err
    folders = find([tmp_path / "runs"])
    assert sorted(status(folder).state for folder in folders) == ["diverged", "finished"]
    (diverged,) = (folder for folder in folders if status(folder).state == "diverged")
    assert "seqlab: train/loss is" in (diverged / "log.txt").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_pack_that_is_stopped_keeps_all_its_runs(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The signal reaches the parent alone; the same command makes the rest."""
    with running(tmp_path, "-m", *SWEEP[2:], "seed=1,2,3", "data.train_size=60000") as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "The same command makes what is missing" in err
    assert [status(folder).state for folder in find([tmp_path])] == ["preempted"] * 3
    for folder in find([tmp_path]):
        assert "Go on with: seqlab resume" in (folder / "log.txt").read_text()


def test_runs_that_differ_in_more_are_not_packed(tmp_path: Path) -> None:
    """Seeds, rates and schedules may differ; sizes, data and trainers may not."""
    own = ["seed=1", "seed=2", "optimizer.lr=1", "scheduler=cosine", "cell.hidden_size=5", "data.length=7"]
    runs = [run_of(tmp_path, word) for word in own]
    packs = Packed().shared_out(runs, 1)
    assert [[runs.index(run) for run in pack] for pack in packs] == [[0, 1, 2, 3], [4], [5]]


def test_a_run_of_several_processes_is_not_packed(tmp_path: Path) -> None:
    """It is made by these, and not by a thread beside others."""
    runs = [run_of(tmp_path, "trainer.devices=2", word) for word in ("seed=1", "seed=2")]
    assert [len(pack) for pack in Packed().shared_out(runs, 1)] == [1, 1]


@pytest.mark.parametrize(
    ("n", "size", "room", "sizes"),
    [(8, 32, 2, [4, 4]), (5, 32, 2, [2, 3]), (1, 32, 4, [1]), (70, 32, 1, [23, 23, 24]), (9, 2, 2, [1, 2, 1, 2, 1, 2])],
)
def test_packs_are_even(tmp_path: Path, n: int, size: int, room: int, sizes: list[int]) -> None:
    """As many as there are processes, or a multiple, and none above the size."""
    runs = [run_of(tmp_path, "seed=1")] * n
    assert sorted(len(pack) for pack in Packed(size=size).shared_out(runs, room)) == sorted(sizes)


def test_a_size_that_cannot_be_is_one_line(seqlab: Command) -> None:
    """What, got, expected."""
    answer = seqlab(*SWEEP, "hydra.launcher.size=0", "seed=1,2")
    assert answer.code == 2
    assert answer.err == "seqlab: hydra.launcher.size: got 0; expected an integer of at least 1.\n"
