"""One run made by two processes: the same result as by one, in one folder, also inside a sweep."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from child import Child
from conftest import Command
from exact import TEXT, WORDS
from seqlab.checkpoints import LAST, read
from seqlab.config import composed
from seqlab.data.adding import Adding
from seqlab.experiment import make
from seqlab.ledger import find, status

SMALL = ["logger=none", "trainer=cpu", "cell.hidden_size=8", "trainer.max_epochs=2", "trainer.log_every_n_steps=1"]
STRINGS = ["data=reber", "data.train_size=40", "data.val_size=16", "data.test_size=16"]
ONE_BY_ONE = ["data=reverse_string", "data.length=[1,4]", "data.test_length=[5,7]", "data.eval_batch_size=1"]
ONE_BY_ONE += ["data.batch_size=10", "data.train_size=30", "data.val_size=4", "data.test_size=6"]


def results(folder: Path) -> tuple[dict, dict]:
    summary = json.loads((folder / "summary.json").read_text())
    return summary, read(folder / "checkpoints" / LAST)["state_dict"]


def same(two: Path, one: Path) -> None:
    """Two processes have made what one has: to rounding, and in one folder with one row for each."""
    (together, weights), (alone, expected) = results(two), results(one)
    assert together["environment"]["processes"] == 2
    assert alone["steps"] == together["steps"] > 2
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)
    assert together["test"] == pytest.approx(alone["test"], rel=1e-4)
    assert together.get("by_length", {}) == pytest.approx(alone.get("by_length", {}), rel=1e-4)
    rows = [(folder / "metrics.csv").read_text().count("\n") for folder in (two, one)]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("data", [WORDS, STRINGS, ONE_BY_ONE], ids=["masked", "sequences", "a process without a row"])
def test_two_processes_learn_what_one_learns(tmp_path: Path, data: list[str]) -> None:
    """Whatever is left out of the loss, however long the sequences are, and where there is nothing for one of them."""
    one = composed([*SMALL, *data, f"runs_dir={tmp_path / 'one'}"])
    make(one)
    two = composed([*SMALL, *data, "trainer.devices=2", f"runs_dir={tmp_path / 'two'}"])
    two.prepare()
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "TORCHELASTIC_RUN_ID": "two"}
    places = [{**place, "WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]
    group = [Child(tmp_path, "resume", str(two.folder), environment=each) for each in places]
    assert [child.wait(60) for child in group] == [0, 0], [child.err.read_text() for child in group]
    assert two.id == one.id
    same(two.folder, one.folder)


def test_two_processes_learn_what_one_learns_inside_a_sweep(seqlab: Command, tmp_path: Path) -> None:
    """Where plain Lightning is silently wrong: with one folder and one identity each."""
    sweep = ["train", "-m", *SMALL, *TEXT, "seed=1,2"]
    answer = seqlab(*sweep, "trainer.devices=2", "runs_dir=two", "hydra.launcher.workers=2")
    assert answer.code == 0, answer.err + "".join(file.read_text() for file in tmp_path.rglob("log.txt"))
    assert seqlab(*sweep, "runs_dir=one").code == 0
    folders = find([tmp_path / "two"])
    assert [folder.name for folder in folders] == [folder.name for folder in find([tmp_path / "one"])]
    for folder in folders:
        same(folder, tmp_path / "one" / folder.name)


def test_each_process_takes_its_own_rows_of_a_batch() -> None:
    """Together they are the whole batch, and no row is taken twice."""
    data = Adding(length=4, batch_size=10, train_size=20, val_size=4, test_size=4, seed=1)
    data.setup()
    batch = next(iter(data.train_dataloader()))
    shares = []
    for rank in range(3):
        data.trainer = SimpleNamespace(world_size=3, global_rank=rank)  # type: ignore[assignment]
        shares.append(data.on_before_batch_transfer(batch, 0))
    assert [len(x) for x, _ in shares] == [4, 3, 3]
    assert torch.equal(torch.cat([x for x, _ in shares]), batch[0])
    assert torch.equal(torch.cat([y for _, y in shares]), batch[1])


def test_two_processes_go_on_with_what_two_began_and_one_does_not(seqlab: Command, tmp_path: Path) -> None:
    """Another number of processes rounds otherwise, so it is refused with the difference."""
    command = ["train", *SMALL, *WORDS, "callbacks.resume.every=0"]
    assert seqlab(*command, "trainer.devices=2").code == 0
    (folder,) = find([tmp_path / "runs"])
    (folder / "summary.json").unlink()
    answer = seqlab(*command)
    assert answer.code == 2
    assert "processes: 2 → 1" in answer.err
    assert "--fork" in answer.err


def test_a_batch_that_cannot_be_shared_equally_is_refused(seqlab: Command, tmp_path: Path) -> None:
    """Before anything is made, with the number that would do."""
    answer = seqlab("train", *SMALL, "trainer.devices=3")
    assert answer.code == 2
    assert "data.batch_size=50: cannot be shared equally by 3 processes" in answer.err
    assert not (tmp_path / "runs").exists()


def test_several_nodes_are_left_to_slurm(seqlab: Command) -> None:
    """One machine cannot start them, and says who can."""
    answer = seqlab("train", *SMALL, "trainer.num_nodes=2")
    assert answer.code == 2
    assert "hydra/launcher=slurm" in answer.err


def test_processes_stop_together_whichever_is_asked(tmp_path: Path) -> None:
    """A scheduler may tell one of them first; all are preempted at the same step, and go on to the same bits."""
    words = ["train", *SMALL, "data.train_size=20000", "trainer.devices=2", "callbacks.resume.every=0.5"]
    process = subprocess.Popen(
        [sys.executable, "-m", "seqlab", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 90
    while not list(tmp_path.rglob("last.ckpt")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ranks = subprocess.run(["pgrep", "-f", "resume runs/adding"], capture_output=True)
    workers = [int(pid) for pid in ranks.stdout.split() if _rank(int(pid)) == "1"]
    os.kill(workers[0], signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    (folder,) = find([tmp_path / "runs"])
    assert status(folder).state == "preempted"
    assert "stopped at step" in err


def _rank(pid: int) -> str | None:
    """The number of a process in its group, as torchrun told it."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((v.partition(b"=")[2].decode() for v in variables if v.startswith(b"RANK=")), None)
