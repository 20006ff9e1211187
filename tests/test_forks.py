"""What a run must have in common with the one that stopped, and how to go on with something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Command
from seqlab import lines
from seqlab.checkpoints import LAST, read, write
from seqlab.ledger import find, status


def begun(train: Command, root: Path, *words: str) -> Path:
    """The folder of a run that has a checkpoint and no result."""
    assert train(*words).code == 0
    (folder,) = find([root / "runs"])
    (folder / "summary.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("fact", "value", "told"),
    [
        ("data", "0" * 16, "data: 0000000000000000 → "),
        ("instructions", "AVX1024", "instructions: AVX1024 → "),
        ("threads", 64, "threads: 64 → 1"),
        ("torch", "1.0", "torch: 1.0 → "),
    ],
)
def test_other_facts_are_refused_with_the_difference(
    train: Command, tmp_path: Path, fact: str, value: object, told: str
) -> None:
    """Data, instruction set, threads, library: it would not be the same run, and nothing of it is lost."""
    folder = begun(train, tmp_path)
    last = folder / "checkpoints" / LAST
    checkpoint = read(last)
    write(last, {**checkpoint, "origin": {**checkpoint["origin"], fact: value}})
    kept = last.read_bytes()
    answer = train()
    assert answer.code == 2
    assert told in answer.err
    assert f"'seqlab resume runs/{folder.name} --fork'" in answer.err
    assert answer.err.count("\n") == 1
    assert last.read_bytes() == kept


def test_threads_are_recorded_and_a_resume_with_others_is_refused(train: Command, tmp_path: Path) -> None:
    """They do not name the run, but they change its last bits."""
    begun(train, tmp_path)
    answer = train("threads=2")
    assert answer.code == 2
    assert "threads: 1 → 2" in answer.err


def test_other_data_under_the_same_name_are_refused(train: Command, tmp_path: Path) -> None:
    """The fingerprint tells, where the file's name does not."""
    text = tmp_path / "a.txt"
    text.write_text("to be or not to be, that is the question. " * 200)
    words = ["data=text", f"data.files=[{text}]"]
    begun(train, tmp_path, *words)
    text.write_text("to be or not to be, that is no question. " * 205)
    answer = train(*words)
    assert answer.code == 2
    assert "data: " in answer.err


def test_an_edited_configuration_is_refused(train: Command, seqlab: Command, tmp_path: Path) -> None:
    """The folder's name says what the run is; what cannot change the result may be edited."""
    folder = begun(train, tmp_path)
    file = folder / "config.yaml"
    text = file.read_text()
    file.write_text(text.replace("lr: 0.003", "lr: 0.004"))
    answer = seqlab("resume", str(folder))
    assert answer.code == 2
    assert "was changed since the run was named after it" in answer.err
    file.write_text(text.replace("log_every_n_steps: 50", "log_every_n_steps: 20"))
    assert seqlab("resume", str(folder)).code == 0
    renamed = folder.rename(folder.with_name("mine"))
    answer = seqlab("resume", str(renamed))
    assert answer.code == 2
    assert f"holds the run {folder.name}. Give the folder that name again." in answer.err


def test_a_fork_is_another_run_that_begins_where_one_stopped(train: Command, seqlab: Command, tmp_path: Path) -> None:
    """With its own name and values; what it comes from is recorded and left as it is; again, it is found finished."""
    assert train().code == 0
    (parent,) = find([tmp_path / "runs"])
    before = {file: file.read_bytes() for file in parent.rglob("*") if file.is_file()}
    command = ["resume", str(parent), "--fork", "trainer.max_epochs=3", "optimizer.lr=0.5", "scheduler=cosine"]
    answer = seqlab(*command)
    assert answer.code == 0, answer.err
    assert "goes on from step 2" in answer.out
    assert {file: file.read_bytes() for file in before} == before
    (child,) = [folder for folder in find([tmp_path / "runs"]) if folder != parent]
    summary = json.loads((child / "summary.json").read_text())
    assert summary["steps"] == 6
    assert f"forked_from: {parent.name}" in (child / "config.yaml").read_text()
    assert [line["step"] for line in lines.read(child / "gradients.jsonl")] == [0, 2, 6]
    last = read(child / "checkpoints" / LAST)
    assert last["lr_schedulers"][0]["T_max"] == 3
    assert last["lr_schedulers"][0]["base_lrs"] == [0.5]
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] < 0.5
    assert "finished already" in seqlab(*command).out


def test_a_fork_that_was_killed_while_it_was_made_is_made_whole(
    train: Command, seqlab: Command, tmp_path: Path
) -> None:
    """Its folder alone is not enough: without the checkpoint it would begin from nothing under a fork's name."""
    assert train().code == 0
    (parent,) = find([tmp_path / "runs"])
    command = ["resume", str(parent), "--fork", "trainer.max_epochs=3"]
    assert seqlab(*command).code == 0
    (child,) = [folder for folder in find([tmp_path / "runs"]) if folder != parent]
    for file in ("summary.json", *(f"checkpoints/{file.name}" for file in (child / "checkpoints").iterdir())):
        (child / file).unlink()
    answer = seqlab(*command)
    assert answer.code == 0, answer.err
    assert "goes on from step 2" in answer.out


def test_a_fork_goes_on_under_other_facts(train: Command, seqlab: Command, tmp_path: Path) -> None:
    """That is what it is for: the same values on another machine, under another name."""
    folder = begun(train, tmp_path)
    last = folder / "checkpoints" / LAST
    write(last, {**read(last), "origin": {"torch": "1.0"}})
    assert train().code == 2
    assert seqlab("resume", str(folder), "--fork").code == 0
    assert sorted(status(one).state for one in find([tmp_path / "runs"])) == ["failed", "finished"]


def test_what_a_fork_cannot_change_is_refused(train: Command, seqlab: Command, tmp_path: Path) -> None:
    """Another cell's checkpoint is of no use; nor are values without --fork."""
    folder = begun(train, tmp_path)
    answer = seqlab("resume", str(folder), "--fork", "cell=gru")
    assert answer.code == 2
    assert "cell=gru: a fork goes on from a checkpoint of cell=lstm" in answer.err
    answer = seqlab("resume", str(folder), "--fork", "cell.hidden_size=9")
    assert answer.code == 2
    assert "cell.hidden_size=9: a fork goes on from a checkpoint of cell.hidden_size=8" in answer.err
    answer = seqlab("resume", str(folder), "trainer.max_epochs=3")
    assert answer.code == 2
    assert "trainer.max_epochs=3: a run goes on as it was begun" in answer.err
    assert len(find([tmp_path / "runs"])) == 1
    for word in ("trainer.max_epoch=3", "cell=lstmm", "optimizer.lr=abc"):
        answer = seqlab("resume", str(folder), "--fork", word)
        assert answer.code == 2, word
        assert answer.err.count("\n") == 1
