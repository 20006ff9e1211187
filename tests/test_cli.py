"""What a person reads fits the terminal, and a file has a line for each thing."""

from __future__ import annotations

import sys

import pytest

from conftest import Command


def test_the_verbs_fit_a_terminal(seqlab: Command) -> None:
    """In 80 columns."""
    out = seqlab("--help").out
    assert max(map(len, out.splitlines())) <= 80
    for verb in ("train", "resume", "status", "compare", "dashboard", "horizon", "gradients", "list"):
        assert f"  seqlab {verb} " in out


def test_a_list_is_folded_where_a_person_watches(seqlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an option is stands beside its name; in a file each option is one line."""
    whole = seqlab("list", "cell").out
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    folded = seqlab("list", "cell").out
    assert max(map(len, whole.splitlines())) > 100
    assert max(map(len, folded.splitlines())) <= 60
    assert folded.split() == whole.split()
    assert all(line.startswith(" " * 13) for line in folded.splitlines() if not line[2:3].strip() and line != "cell")
