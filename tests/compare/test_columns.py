"""What stands in the table of a comparison, whoever shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from folders import answers, put, validated
from seqlab.compare.columns import columns, lines, needed, place, wanted


def test_every_column_that_is_needed_or_wanted_has_its_place(tmp_path: Path) -> None:
    """Once, criteria beside the test."""
    put(tmp_path, "lstm", 1, 0.1, told={"solved": {"st1": 900, "st2": None}})
    (found,) = answers(tmp_path)
    assert columns(found)[:6] == ["place", "test", "st1", "st2", "median", "n"]
    assert sorted(columns(found)) == sorted([*needed(found), *wanted(found)])
    assert len(set(columns(found))) == len(columns(found))


def test_what_is_not_known_is_not_there(tmp_path: Path) -> None:
    """No memory without a word of it, no place without a competitor, and no result without one."""
    put(tmp_path, "lstm", 1, 0.1)
    assert {"place", "memory", "tokens/s"}.isdisjoint(lines(answers(tmp_path)[0])[0].cells)
    put(tmp_path, "gru", 1, 0.2, told={"peak_memory": 2.5e9, "tokens_per_second": 51234.5})
    put(tmp_path, "rnn", 1, None, "failed")
    lstm, gru, rnn = lines(answers(tmp_path)[0])[:3]
    assert (gru.cells["memory"], gru.cells["tokens/s"], gru.cells["place"]) == ("2.5 GB", "51,234", "1–2")
    assert "memory" not in lstm.cells
    assert rnn.cells == {"n": "0 of 1"}


def test_steps_until_the_threshold_stand_under_its_value(tmp_path: Path) -> None:
    """Which says what was reached; a run without a curve has none."""
    validated(put(tmp_path, "lstm", 1, 0.1), {100: 0.16, 200: 0.05})
    put(tmp_path, "gru", 1, 0.2)
    (found,) = answers(tmp_path, asked=0.05)
    lstm, gru = lines(found)[:2]
    assert "steps to 0.05" in columns(found)
    assert lstm.cells["steps to 0.05"] == "200"
    assert "steps to 0.05" not in gru.cells


def test_lines_come_from_the_best_to_the_worst_then_references_then_papers(tmp_path: Path) -> None:
    """Each with its kind; the strongest reference has the star, and the best possible has none."""
    put(tmp_path, "gru", 1, 0.2, published={"by": "A paper", "mse": 0.5})
    put(tmp_path, "lstm", 1, 0.1)
    told = lines(answers(tmp_path)[0])
    assert [(line.label, line.kind) for line in told] == [
        ("lstm", "runs"),
        ("gru", "runs"),
        ("chance *", "reference"),
        ("best possible", "reference"),
        ("A paper", "published"),
    ]
    assert [line.cells["test"] for line in told] == ["0.1", "0.2", "0.1667", "0", "0.5"]


@pytest.mark.parametrize(("places", "word"), [(None, "-"), ((2, 2), "2"), ((1, 4), "1–4")])
def test_a_place_is_a_range_where_it_is_not_decided(places: tuple[int, int] | None, word: str) -> None:
    """And nothing without a result."""
    assert place(places) == word
