"""seqlab gradients: from run folders to tables and a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from seqlab.ledger import find

LENGTH = ("data.length=8",)


def test_runs_are_told_by_cell_and_drawn_on_a_page(seqlab: Command, train: Command, tmp_path: Path) -> None:
    """Cells whose gates are known have a table of these; all have a horizon, a radius and a curve."""
    for cell in ("vanilla", "lstm", "lstm cell.chrono=9", "attention"):
        assert train(*f"cell={cell}".split(), *LENGTH).code == 0
    answer = seqlab("gradients", "runs")
    assert answer.code == 0, answer.err
    assert max(map(len, answer.out.splitlines())) <= 80
    far, gates = answer.out.split("saturated gates")
    assert {"vanilla", "lstm", "lstm chrono=9", "attention"} < {row.split("  ")[0].strip() for row in far.splitlines()}
    assert gates.count("forget") == 2
    assert "Drawn: gradients.html" in answer.out
    page = (tmp_path / "gradients.html").read_text()
    assert "lstm chrono=9" in page


def write(folder: Path, *told: dict[str, Any]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in told)
    (folder / "gradients.jsonl").write_text(text + '{"cut sho')


def test_horizons_beyond_the_longest_lag_are_told_as_such(seqlab: Command, train: Command, tmp_path: Path) -> None:
    """All of them, some of them, none; the radius is the largest, and shares are percent. Where it is drawn is said."""
    for seed in (1, 2, 3):
        assert train("cell=gru", f"seed={seed}", *LENGTH).code == 0
    line = {"flow": [1.0] * 8, "beyond": {}, "jacobian": {}, "radius": {"a": [0.5], "b": [0.25, 1.5]}}
    for folder, first, last in zip(find([tmp_path / "runs"]), (2, 3, 4), (4, None, None), strict=True):
        gates = {"reset": [0.25, 0.5]}
        write(folder, {"horizon": first, "saturation": gates, **line}, {"horizon": last, "saturation": gates, **line})
    answer = seqlab("gradients", "runs", "--html", "there.html")
    assert "3.0 ± 2.5 → ≥ 6 (2/3 > 7)" in answer.out
    assert "1.500 → 1.500" in answer.out
    assert "25 → 25" in answer.out
    assert "50 → 50" in answer.out
    assert (tmp_path / "there.html").exists()
    for folder in find([tmp_path / "runs"]):
        write(
            folder,
            {"horizon": None, "saturation": {}, **line, "flow": [0.0, 0.0], "radius": {}},
            {"horizon": None, "saturation": {}, **line},
        )
    answer = seqlab("gradients", "runs")
    assert "- → > 7" in answer.out
    assert "- → 1.500" in answer.out
    assert "saturated" not in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs"], "none of these runs has a gradients.jsonl. It comes from callbacks.gradients."),
        (["nowhere"], "nowhere: no such folder."),
    ],
)
def test_where_nothing_was_measured_it_says_so(seqlab: Command, train: Command, words: list[str], said: str) -> None:
    """In one line."""
    assert train("~callbacks.gradients").code == 0
    answer = seqlab("gradients", *words)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert said in answer.err


def test_a_page_that_cannot_be_written_is_told_in_one_line(seqlab: Command, train: Command) -> None:
    """With what to do."""
    assert train().code == 0
    answer = seqlab("gradients", "runs", "--html", "no/such/folder.html")
    assert answer.code == 2
    assert "no/such/folder.html: cannot be written (No such file or directory). Choose another place." in answer.err
