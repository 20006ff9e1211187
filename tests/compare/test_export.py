"""The comparison as files that other programs read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from folders import answers, put
from seqlab.compare.export import as_csv, as_json, as_markdown


def refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def strict(text: str) -> Any:
    """What a reader makes of it that knows no NaN."""
    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two cells, of which one has a failed and a missing seed."""
    for seed in (1, 2):
        put(tmp_path, "lstm", seed, 0.01 * seed, told={"tokens_per_second": 5e4, "peak_memory": 10**9})
    put(tmp_path, "gru", 1, 0.04)
    put(tmp_path, "gru", 2, None, "failed", told={"error": 'a comma, and a "quote"'})
    put(tmp_path, "gru", 3, None, "interrupted")
    return tmp_path


def test_csv_has_a_line_for_each_run_with_what_it_came_to(runs: Path) -> None:
    """Finished or not: scores and cost of the one, the cause of the other, and nothing in place of what is not known."""
    told = list(csv.DictReader(io.StringIO(as_csv(answers(runs)))))
    assert [(row["cell"], row["seed"], row["status"], row["test/mse"]) for row in told] == [
        ("lstm", "1", "finished", "0.01"),
        ("lstm", "2", "finished", "0.02"),
        ("gru", "1", "finished", "0.04"),
        ("gru", "2", "failed", ""),
        ("gru", "3", "missing", ""),
    ]
    assert [row["cause"] for row in told] == ["", "", "", 'a comma, and a "quote"', "it was never started"]
    assert told[0]["val/mse"] == str(0.01 * 1.1)
    assert [told[0][name] for name in ("parameters", "seconds", "peak_memory")] == ["17473", "20.0", "1000000000"]
    assert told[2]["peak_memory"] == ""
    assert len({row["id"] for row in told}) == 5


def test_csv_has_a_column_for_each_key_in_which_runs_differ(tmp_path: Path) -> None:
    """And no other."""
    for lr in (0.1, 0.2):
        put(tmp_path, "lstm", 1, lr, lr=lr)
    told = list(csv.DictReader(io.StringIO(as_csv(answers(tmp_path)))))
    assert [row["lr"] for row in told] == ["0.1", "0.2"]
    assert "hidden_size" not in told[0]


def test_markdown_is_the_table_that_the_terminal_shows(runs: Path) -> None:
    """With all columns, references in italics, and the answer below; each line has as many cells as the head."""
    told = as_markdown(answers(runs))
    head, rule, *rows = [line for line in told.splitlines() if line.startswith("|")]
    assert told.startswith("## adding: mse, squared units, lower is better\n\n| cell |")
    assert rule.startswith("| --- | ---: |")
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}
    assert [row.split("|")[1].strip() for row in rows] == ["lstm", "gru", r"*chance\**", "*best possible*"]
    assert "| 1 of 3 |" in rows[1]
    assert "0.015 ± 0.064" in rows[0]
    assert told.rstrip().endswith("not surely better than any other.")


def test_json_has_all_and_no_word_that_json_lacks(runs: Path) -> None:
    """Rows, seeds, pairs, references; what is not known is null, and not NaN."""
    (told,) = strict(as_json(answers(runs)))["comparisons"]
    lstm, gru = told["rows"]
    assert (told["data"], told["metric"], told["goal"], told["unit"]) == ("adding", "mse", "min", "squared units")
    assert told["references"] == {"chance": 1 / 6, "best": 0.0}
    assert (lstm["label"], lstm["mean"], lstm["median"], lstm["n"], lstm["place"]) == ("lstm", 0.015, 0.015, 2, [1, 2])
    assert lstm["half_width"] == pytest.approx(12.706204736 * 0.005)
    assert (gru["n"], gru["mean"], gru["half_width"]) == (1, 0.04, None)
    assert [(run["seed"], run["status"]) for run in gru["runs"]] == [(1, "finished"), (2, "failed"), (3, "missing")]
    (pair,) = told["pairs"]
    assert (pair["better"], pair["worse"], pair["p"], pair["decided"]) == ("lstm", "gru", None, False)
    assert len(told["answer"]) == 1


def test_a_score_that_is_no_number_is_null_in_json(tmp_path: Path) -> None:
    """And counts for nothing in the mean."""
    put(tmp_path, "lstm", 1, 0.1)
    put(tmp_path, "lstm", 2, float("nan"))
    put(tmp_path, "lstm", 3, float("inf"), "diverged")
    ((row,),) = [each["rows"] for each in strict(as_json(answers(tmp_path)))["comparisons"]]
    assert (row["n"], row["mean"]) == (1, 0.1)
    assert row["runs"][1]["test/mse"] is None
    assert "test/mse" not in row["runs"][2]


def test_json_has_what_cells_are_worth_across_tasks(tmp_path: Path) -> None:
    """The interquartile mean of normalised scores, with its interval."""
    for task in ("adding", "copy"):
        for seed in (1, 2):
            put(tmp_path, "lstm", seed, 1 / 12, data_set=task)
            put(tmp_path, "gru", seed, 1 / 6, data_set=task)
    told = strict(as_json(answers(tmp_path)))["across"]
    assert told["lstm"] == {"value": pytest.approx(0.5), "low": pytest.approx(0.5), "high": pytest.approx(0.5)}
    assert told["gru"]["value"] == pytest.approx(0)


def test_the_command_writes_all_forms_at_once(seqlab: Command, tmp_path: Path, runs: Path) -> None:
    """And says so; a place where nothing can be written is told in one line."""
    words = ["--csv", "runs.csv", "--markdown", "table.md", "--json", "all.json"]
    answer = seqlab("compare", str(runs), *words)
    assert answer.code == 0
    assert [f"written: {name}" in answer.out for name in words[1::2]] == [True] * 3
    assert (tmp_path / "runs.csv").read_text() == as_csv(answers(runs))
    assert (tmp_path / "table.md").read_text() == as_markdown(answers(runs))
    assert (tmp_path / "all.json").read_text() == as_json(answers(runs))
    refused = seqlab("compare", str(runs), "--csv", "no/such/runs.csv")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "no/such/runs.csv: cannot be written (No such file or directory). Choose another place." in refused.err
