"""Lines that a run appends to its files, and takes back where it will write them again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from seqlab import lines


def test_what_is_appended_is_read_back_but_not_what_was_cut_short(tmp_path: Path) -> None:
    """In order, in any script; a process that was killed may have left half a line."""
    file = tmp_path / "some.jsonl"
    assert lines.read(file) == []
    lines.append(file, [{"step": 1, "said": "fünf"}])
    lines.append(file, [{"step": 2}, {"step": 2}])
    with file.open("a") as end:
        end.write('{"step": 3, "sa')
    assert lines.read(file) == [{"step": 1, "said": "fünf"}, {"step": 2}, {"step": 2}]


@pytest.mark.parametrize(("reached", "left"), [(0, []), (1, [0, 1]), (2, [0, 1, 2]), (9, [0, 1, 2])])
def test_lines_beyond_the_step_that_a_run_goes_on_from_are_taken_away(
    tmp_path: Path, reached: int, left: list[int]
) -> None:
    """A run that begins again, from no step at all, says everything again."""
    file = tmp_path / "some.jsonl"
    lines.rewind(file, reached)
    assert not file.exists()
    lines.append(file, [{"step": step} for step in range(3)])
    before = file.read_text().splitlines()
    lines.rewind(file, reached)
    assert [line["step"] for line in lines.read(file)] == left
    assert file.read_text().splitlines() == before[: len(left)]


def test_a_full_disk_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Here a folder stands where the file should be."""
    with caplog.at_level(logging.WARNING):
        lines.append(tmp_path, [{"step": 1}])
    assert f"{tmp_path} cannot be written (Is a directory)" in caplog.text
