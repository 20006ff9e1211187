"""Killed at random moments, again and again: the short form of ``scripts/chaos``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chaos import kill_chain, sweep_chaos


@pytest.mark.parametrize("name", ["dropout", "carried"])
def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path, name: str) -> None:
    """Three runs of up to five kills each, at any moment: in a step, in a save, before the first."""
    rng = random.Random(1)
    kills, differs = zip(*(kill_chain(tmp_path, name, rng, 5) for _ in range(3)), strict=True)
    assert all(kills), "each was killed at least once"
    assert list(differs) == [[], [], []]


def test_a_sweep_whose_processes_are_killed_loses_nothing_and_makes_nothing_twice(tmp_path: Path) -> None:
    """Parents and children killed, started twice at once; every result is there once, the same as in peace."""
    counts = sweep_chaos(tmp_path / "killed", 6, random.Random(2), 3)
    assert counts["parents killed"] >= 3
    assert counts["jobs"] == 6
    assert {name: counts[name] for name in ("lost", "twice", "different", "sweeps that did not end well")} == {
        "lost": 0,
        "twice": 0,
        "different": 0,
        "sweeps that did not end well": 0,
    }
