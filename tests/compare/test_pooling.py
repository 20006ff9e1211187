"""Groups that a person tells apart by some keys: all else is pooled, and paired."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Command
from folders import answers, put


def grid(root: Path) -> None:
    """Two cells, two learning rates, three seeds; lstm is better by 1, a rate of 0.2 worse by 10."""
    for seed in (1, 2, 3):
        for lr, worse in ((0.1, 0.0), (0.2, 10.0)):
            put(root, "lstm", seed, 1.0 + seed / 100 + worse, lr=lr)
            put(root, "rnn", seed, 2.0 + seed / 90 + worse, lr=lr)


def test_runs_that_agree_in_the_given_keys_are_one_group(tmp_path: Path) -> None:
    """Six runs of each cell; a run is paired with that of the same seed and the same learning rate."""
    grid(tmp_path)
    (told,) = answers(tmp_path, by=["cell"])
    assert [(row.label, len(row.scores)) for row in told.rows] == [("lstm", 6), ("rnn", 6)]
    assert told.rows[0].mean.value == pytest.approx(6.02)
    (pair,) = told.pairs
    assert (pair.n, pair.better) == (6, "lstm")
    assert pair.decided  # as it would not be without pairs: the rates differ by ten times as much as the cells


def test_cells_may_be_pooled_too(tmp_path: Path) -> None:
    """No run is lost where cells share seeds."""
    grid(tmp_path)
    (told,) = answers(tmp_path, by=["optimizer.lr"])
    assert [(row.label, len(row.scores)) for row in told.rows] == [("lr=0.1", 6), ("lr=0.2", 6)]
    assert set(told.rows[0].scores) == {f"seed {seed} cell={cell}" for seed in (1, 2, 3) for cell in ("lstm", "rnn")}


def test_keys_may_be_short_and_wrong_ones_are_named(seqlab: Command, tmp_path: Path) -> None:
    """As on the command line of --where."""
    grid(tmp_path / "runs")
    assert "lstm lr=0.1" in seqlab("compare", "runs", "--by", "cell,lr").out
    assert "lstm lr=0.1" in seqlab("compare", "runs", "--by", "cell", "--by", "optimizer.lr").out
    wrong = seqlab("compare", "runs", "--by", "lrr")
    assert (wrong.code, wrong.err) == (2, "seqlab: lrr: none of these runs has such a key. Did you mean lr?\n")
