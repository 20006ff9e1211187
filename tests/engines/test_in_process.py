"""Runs that are made one after the other in one process."""

from __future__ import annotations

from pathlib import Path

from conftest import TINY, WILD, Command
from seqlab.ledger import find, status

SWEEP = ("train", "-m", "hydra/launcher=in_process", "logger=none")


def test_the_next_run_is_made_in_the_same_process(seqlab: Command, tmp_path: Path) -> None:
    """Which shows what they say; and the same command finds them finished."""
    answer = seqlab(*SWEEP, *TINY, "seed=1,2")
    assert answer.code == 0, answer.err
    assert answer.out.count("parameters, state") == 2
    assert not list((tmp_path / "runs").glob("*/log.txt"))
    assert "2 runs: 2 finished already, 0 to make" in seqlab(*SWEEP, *TINY, "seed=1,2").out


def test_what_goes_wrong_in_one_is_told_and_the_next_is_made(seqlab: Command, tmp_path: Path) -> None:
    """As by every engine."""
    tiny = [word for word in TINY if word != "trainer=cpu"]
    answer = seqlab(*SWEEP, *WILD, *tiny, "optimizer.lr=1e30,1e-3")
    assert answer.code == 3
    assert "1 of 2 runs did not finish" in answer.err
    assert sorted(status(folder).state for folder in find([tmp_path / "runs"])) == ["diverged", "finished"]
