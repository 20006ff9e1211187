"""Checkpoints on the disk: whole or not there, the previous one kept, and no code in them run."""

from __future__ import annotations

import errno
import logging
import os
import random
import signal
import tempfile
import time
import zipfile
from itertools import count
from pathlib import Path

import pytest
import torch

from child import Child
from conftest import Command
from exact import DRAWN, TINY, differences, result_of, run_of
from seqlab import durable
from seqlab.checkpoints import BEST, LAST, PREVIOUS, CheckpointFiles, is_whole, newest, read
from seqlab.engines.local import forking
from seqlab.errors import OutputError, SeqlabError
from seqlab.experiment import make
from seqlab.ledger import find
from seqlab.runs import Run


def save_for_ever(folder: Path, elsewhere: Path, written: Path) -> None:
    """One checkpoint after the other, and a line for each that is there; with the temporary folder elsewhere."""
    tempfile.tempdir = str(elsewhere)
    files, weights = CheckpointFiles(), torch.zeros(75_000)
    with written.open("w", buffering=1) as lines:
        for step in count(1):
            files.save_checkpoint({"step": step, "weights": weights + step}, folder / LAST)
            print(step, file=lines)


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """Killed again and again, with the temporary folder on another file system: none is lost, none is damaged."""
    elsewhere = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path
    folder, rng = tmp_path / "checkpoints", random.Random(0)
    folder.mkdir()
    for i in range(8):
        written = tmp_path / f"written-{i}"
        process = forking().Process(target=save_for_ever, args=(folder, elsewhere, written))
        process.start()
        while not (written.exists() and written.read_text()):
            assert process.is_alive()
            time.sleep(0.01)
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.join()
        path = newest(folder)
        assert path is not None
        assert is_whole(path)
        loaded = read(path)
        assert loaded["step"] >= int(written.read_text().splitlines()[-1]), "what was written is there"
        assert torch.equal(loaded["weights"], torch.zeros(75_000) + loaded["step"])
    assert len([file for file in folder.iterdir() if file.suffix == ".tmp"]) <= 1, "scratch files pile up"


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short, empty, or with one bit turned: the run goes on from the previous one, to the same bits."""
    straight = run_of(tmp_path / "straight", *DRAWN)
    make(straight)
    run = run_of(tmp_path / "damaged", *DRAWN)
    make(run)
    last = run.folder / "checkpoints" / LAST
    whole = last.read_bytes()
    with zipfile.ZipFile(last) as archive:
        part = archive.read(max(archive.infolist(), key=lambda part: part.file_size))
    turned = bytearray(whole)
    turned[whole.index(part) + len(part) // 2] ^= 1  # between the parts there is padding, where it would do no harm
    for damage in (whole[: len(whole) // 2], b"", bytes(turned)):
        (run.folder / "summary.json").unlink()
        assert (run.folder / "checkpoints" / PREVIOUS).exists()
        last.write_bytes(damage)
        caplog.clear()
        make(run)
        assert f"{last} is damaged ({len(damage):,} bytes); the one before it is taken." in caplog.text
        assert list(differences(result_of(straight), result_of(run))) == []


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash before the rename leaves the old text, and no scratch file is left by a write that fails."""
    path = tmp_path / "summary.json"
    durable.write(path, "old")
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full")))
        with pytest.raises(OSError, match="disk full"):
            durable.write(path, "new")
    assert path.read_text() == "old"
    durable.write_keeping(path, tmp_path / "previous", b"new")
    assert (path.read_text(), (tmp_path / "previous").read_text()) == ("new", "old")


def test_on_a_full_disk_training_goes_on_and_nothing_good_is_destroyed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It warns once, tries again, and what it could not write meanwhile is written when there is room."""
    straight = run_of(tmp_path / "straight", *DRAWN)
    make(straight)
    caplog.set_level(logging.INFO, "seqlab")
    run = run_of(tmp_path / "full", *DRAWN)
    write, calls = durable._scratch, []

    def full(path: Path, content: bytes | str) -> Path:
        calls.append(path.suffix == ".ckpt")
        if 4 <= sum(calls) <= 24:
            assert newest(run.folder / "checkpoints"), "the one that was written is gone"
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(durable, "_scratch", full)
    make(run)
    assert caplog.text.count("cannot be written (No space left on device). Training goes on") == 1
    assert "Checkpoints are written again." in caplog.text
    assert list(differences(result_of(straight), result_of(run))) == []


def test_the_last_checkpoint_is_never_newer_than_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which is the best; so while the best cannot be written, the last is not either."""
    files = CheckpointFiles()
    files.save_checkpoint({"step": 1}, tmp_path / LAST)
    write = durable._scratch

    def no_best(path: Path, content: bytes | str) -> Path:
        if path.name == BEST:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(durable, "_scratch", no_best)
        files.save_checkpoint({"step": 2}, tmp_path / BEST)
        files.save_checkpoint({"step": 3}, tmp_path / LAST)
        assert read(tmp_path / LAST) == {"step": 1}
        with pytest.raises(
            SeqlabError, match=r"best\.ckpt, .*last\.ckpt cannot be written \(No space left on device\)"
        ):
            files.settle()
    files.settle()
    assert (read(tmp_path / BEST), read(tmp_path / LAST)) == ({"step": 2}, {"step": 3})


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path, seqlab: Command) -> None:
    """In one line, whatever the environment allows, and the code does not run."""
    assert seqlab("train", *TINY, *DRAWN).code == 0
    (folder,) = find([tmp_path / "runs"])
    (folder / "summary.json").unlink()

    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"state_dict": Evil()}, folder / "checkpoints" / LAST)
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        answer = seqlab("train", *TINY, *DRAWN)
    finally:
        del os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]
    assert answer.code == 2
    assert "refused, since it holds more than tensors" in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    """With what to do."""
    path = tmp_path / BEST
    path.write_text("not a checkpoint")
    with pytest.raises(OutputError, match=r"refused|cannot be read"):
        read(path)


def test_a_run_folder_may_be_moved(tmp_path: Path) -> None:
    """Checkpoints name files and not folders, so the best one is still known in another place."""
    straight = run_of(tmp_path / "straight", *DRAWN)
    make(straight)
    run = run_of(tmp_path / "one", *DRAWN)
    make(run)
    (run.folder / "summary.json").unlink()
    (tmp_path / "other").mkdir()
    moved = run.folder.rename(tmp_path / "other" / run.id)
    make(Run.load(moved))
    assert list(differences(result_of(straight), result_of(Run.load(moved)))) == []


def test_a_killed_process_is_not_needed_for_its_rows(seqlab: Command, tmp_path: Path) -> None:
    """Rows that were earned before the kill survive it, and no step is there twice."""
    command = ["train", *TINY, *DRAWN, "data.train_size=3000", "trainer.max_epochs=2"]
    child = Child(tmp_path, *command)
    deadline = time.monotonic() + 60
    while not (rows := [file.read_text() for file in tmp_path.glob("runs/*/metrics.csv")]) or rows[0].count("\n") < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    (folder,) = find([tmp_path / "runs"])
    earned = (folder / "metrics.csv").read_text().splitlines()[1:15]
    assert seqlab(*command).code == 0
    lines = (folder / "metrics.csv").read_text().splitlines()
    loss = lines[0].split(",").index("train/loss")
    steps = [line.split(",")[1] for line in lines[1:] if line.split(",")[loss]]
    assert [line.split(",")[:3] for line in lines[1:15]] == [line.split(",")[:3] for line in earned]
    assert steps == sorted(set(steps), key=int)
    assert len(steps) == 600
