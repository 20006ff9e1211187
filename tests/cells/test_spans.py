"""Steps that are taken together."""

from __future__ import annotations

import pytest

from seqlab.cells import spans


def test_spans_are_as_long_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow each other, none is empty, and the last is what is left; a step is taken however large it is."""
    monkeypatch.setattr(spans, "ROOM", 300)
    assert spans.spans(11, 100) == [(0, 3), (3, 6), (6, 9), (9, 11)]
    assert spans.spans(6, 100) == [(0, 3), (3, 6)]
    assert spans.spans(2, 100) == [(0, 2)]
    assert spans.spans(2, 1000) == [(0, 1), (1, 2)]


def test_where_a_gradient_may_vanish_it_is_looked_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some steps, also where there is room for more."""
    monkeypatch.setattr(spans, "LOOK", 4)
    assert spans.spans(10, 1) == [(0, 10)]
    assert spans.spans(10, 1, vanishes=True) == [(0, 4), (4, 8), (8, 10)]
