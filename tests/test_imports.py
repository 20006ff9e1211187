"""Imports are made in peace, and nothing but them."""

from __future__ import annotations

import gc
import sys

import pytest

from seqlab.imports import importing


def test_nobody_looks_for_garbage_meanwhile_and_everybody_does_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in what has been imported."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    try:
        with importing():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_what_jobs_leave_behind_is_found_where_they_share_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the second job everything is there, so that nothing is to be kept from the search."""
    monkeypatch.setitem(sys.modules, "torch", sys)
    frozen = gc.get_freeze_count()
    with importing():
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
