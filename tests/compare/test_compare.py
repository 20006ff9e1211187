"""The comparison: intervals that keep their level, failures shown, and a table that fits."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from folders import put
from seqlab.compare.read import read
from seqlab.compare.sections import sections
from seqlab.compare.statistics import mean, written


def row(out: str, label: str) -> list[str]:
    """What stands beside a label in the first table that has it."""
    return next(re.split(r"\s{2,}", line.strip())[1:] for line in out.splitlines() if line.startswith(label))


def test_the_interval_is_students() -> None:
    """Mean ± t(0.975, n − 1) s/√n, by hand for 1, 2, 3."""
    result = mean([1.0, 2.0, 3.0])
    assert (result.value, result.n) == (2.0, 3)
    assert result.half_width == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert math.isnan(mean([1.0]).half_width)
    assert mean([]).n == 0


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """At three seeds, where a bootstrap interval covers 74 %."""
    rng = np.random.default_rng(0)
    results = [mean(list(rng.standard_normal(3))) for _ in range(2000)]
    assert np.mean([abs(r.value) <= r.half_width for r in results]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ([0.1657, 0.1655, 0.1647], "0.1653 ± 0.0013"),
        ([0.5], "0.5"),
        ([], "-"),
        ([1.0, 1.0], "1.0 ± 0.0"),
        ([120.0, 100.0, 90.0], "103 ± 38"),
        ([0.0, 0.0], "0.0 ± 0.0"),
        ([1e-9, 3e-9], "0.000000 ± 0.000000"),
    ],
)
def test_a_mean_is_written_to_the_precision_of_its_interval(scores: list[float], text: str) -> None:
    """Two digits of the interval, no more."""
    assert written(mean(scores)) == text


def test_the_table_shows_means_references_and_cost(seqlab: Command, tmp_path: Path) -> None:
    """One row per cell, the better one first, chance and floor below, at most 80 columns and plain when piped."""
    for seed in (1, 2, 3):
        put(tmp_path / "runs", "lstm", seed, 0.0005 + seed / 1e4)
        put(tmp_path / "runs", "vanilla", seed, 0.16 + seed / 1e3)
    out = seqlab("compare", "runs").out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    assert "adding: mse, squared units, lower is better" in lines[0]
    table = lines[: lines.index("")]
    rows = [line.split()[0] for line in table if line.startswith(("lstm", "vanilla", "chance", "best"))]
    assert rows == ["lstm", "vanilla", "chance", "best"]
    assert "0.00070 ± 0.00025" in out
    assert "17,473" in out
    assert "chance *" in out


def test_failed_diverged_and_missing_seeds_are_shown(seqlab: Command, tmp_path: Path) -> None:
    """They are counted in n and listed with their causes; they are never dropped."""
    put(tmp_path / "runs", "lstm", 1, 0.001)
    put(tmp_path / "runs", "lstm", 2, None, "diverged")
    put(tmp_path / "runs", "lstm", 3, None, "failed")
    put(tmp_path / "runs", "lstm", 4, None, "interrupted")
    out = seqlab("compare", "runs").out
    assert "1 of 4" in out
    for word in (
        "-s2: diverged: diverged for a reason",
        "-s3: failed: failed for a reason",
        "-s4: missing: it was never started",
    ):
        assert word in out


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    """As in ``seqlab compare runs | head -1``, where the pipe is closed before all is written."""
    put(tmp_path / "runs", "lstm", 1, 0.001)
    with subprocess.Popen(
        [sys.executable, "-m", "seqlab", "compare", "runs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as comparison:
        assert comparison.stdout is not None
        assert comparison.stderr is not None
        comparison.stdout.close()
        assert comparison.stderr.read() == b""
    assert comparison.returncode == 0


def test_what_cannot_be_compared_is_not_in_one_table(seqlab: Command, tmp_path: Path) -> None:
    """Another metric, or other references, is another table."""
    put(tmp_path / "runs", "lstm", 1, 0.001)
    other = put(tmp_path / "runs", "gru", 1, 13.0)
    summary = json.loads((other.folder / "summary.json").read_text())
    summary |= {"metric": {"name": "perplexity", "goal": "min", "unit": "words"}, "references": {"chance": 20.0}}
    other.conclude(summary)
    out = seqlab("compare", "runs").out
    assert "adding: mse" in out
    assert "adding: perplexity" in out


def test_a_run_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    """Copied to another folder, it is still one seed; a finished copy is preferred to an unfinished one."""
    for root in ("a", "b"):
        put(tmp_path / root, "lstm", 1, 0.1)
    put(tmp_path / "a", "lstm", 2, None, "interrupted")
    put(tmp_path / "b", "lstm", 2, 0.2)
    ((group,),) = [section.groups for section in sections(read([tmp_path]))]
    assert group.scores("test") == [0.1, 0.2]
    assert group.unfinished == []


def test_what_differs_names_the_row(tmp_path: Path) -> None:
    """Experiments are told apart by the key that varies among all of the table, and by no other."""
    put(tmp_path, "lstm", 1, 0.1, lr=0.1)
    put(tmp_path, "lstm", 1, 0.1, lr=0.2)
    put(tmp_path, "gru", 1, 0.1)
    assert sorted(group.label for section in sections(read([tmp_path])) for group in section.groups) == [
        "gru lr=0.1",
        "lstm lr=0.1",
        "lstm lr=0.2",
    ]


def test_runs_are_found_at_any_depth_and_a_damaged_summary_is_shown(seqlab: Command, tmp_path: Path) -> None:
    """A summary that cannot be read is a failure with a name, not a traceback."""
    run = put(tmp_path / "a" / "b", "lstm", 1, 0.1)
    put(tmp_path / "c", "lstm", 2, 0.1)
    (run.folder / "summary.json").write_text('{"status": "fin')
    out = seqlab("compare", ".").out
    assert "1 of 2" in out
    assert "failed: its summary.json cannot be read" in out


def test_the_main_metric_may_be_better_when_higher(seqlab: Command, tmp_path: Path) -> None:
    """Then the highest comes first."""
    for cell, score in (("lstm", 0.9), ("rnn", 0.1)):
        run = put(tmp_path / "runs", cell, 1, score)
        summary = json.loads((run.folder / "summary.json").read_text())
        summary["metric"] = {"name": "mse", "goal": "max", "unit": "share"}
        run.conclude(summary)
    out = seqlab("compare", "runs").out
    assert "higher is better" in out
    assert out.index("\nlstm") < out.index("\nrnn")


def test_success_and_published_figures_stand_beside_ours(seqlab: Command, tmp_path: Path) -> None:
    """Sequences until success, by the runs that had it; and what the paper says, in the same columns."""
    published = {"by": "H&S 1997, Table 8", "mse": 0.0004, "success": 31390, "solved": 0.78, "weights": 156}
    for seed, sequences in ((1, 30_000), (2, 34_000), (3, None)):
        run = put(tmp_path / "runs", "lstm", seed, 0.001, published=published)
        summary = json.loads((run.folder / "summary.json").read_text())
        run.conclude(summary | {"solved": {"success": sequences}})
    out = seqlab("compare", "runs").out
    assert max(map(len, out.splitlines())) <= 80
    (ours,) = [line.split() for line in out.splitlines() if line.startswith("lstm")]
    assert " ".join(ours[2:]).endswith("32,000 ± 25,412 (2/3) 3 17,473 20.0")
    (paper,) = [line.split() for line in out.splitlines() if line.startswith("H&S")]
    assert paper[3:] == ["0.0004", "31,390", "(78%)", "156"]  # its name goes on in the next line
    assert "training sequences until its criterion was met" in out


def test_a_paper_that_never_succeeded_says_none(seqlab: Command, tmp_path: Path) -> None:
    """And not nothing."""
    run = put(tmp_path / "runs", "lstm", 1, 0.5, published={"by": "BPTT", "solved": 0.0, "weights": 10_404})
    summary = json.loads((run.folder / "summary.json").read_text())
    run.conclude(summary | {"solved": {"success": 7}})
    (paper,) = [line.split() for line in seqlab("compare", "runs").out.splitlines() if line.startswith("BPTT")]
    assert paper == ["BPTT", "none", "10,404"]


def test_two_criteria_leave_room_for_less(seqlab: Command, tmp_path: Path) -> None:
    """The table still fits 80 columns, and where nothing has finished it says so."""
    for seed, solved in ((1, {"st1": 27_380, "st2": 139_850}), (2, {"st1": 4_000, "st2": 9_000})):
        run = put(tmp_path / "runs", "lstm", seed, 0.001)
        summary = json.loads((run.folder / "summary.json").read_text())
        run.conclude(summary | {"solved": solved})
    out = seqlab("compare", "runs").out
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[1].split() == ["cell", "test", "st1", "st2", "n"]
    put(tmp_path / "others", "lstm", 1, None, "interrupted")
    assert "adding: no result yet" in seqlab("compare", "others").out


def test_lengths_have_a_table_of_their_own(seqlab: Command, tmp_path: Path) -> None:
    """In four parts from short to long, each a mean over its lengths and over seeds."""
    for seed in (1, 2):
        run = put(tmp_path / "runs", "lstm", seed, 0.5)
        summary = json.loads((run.folder / "summary.json").read_text())
        by_length = {str(length): 0.01 * length + seed for length in range(41, 51)}
        run.conclude(summary | {"by_length": by_length})
    lines = seqlab("compare", "runs").out.splitlines()
    (title,) = [i for i, line in enumerate(lines) if line.startswith("adding: mse by length")]
    assert lines[title + 1].split() == ["cell", "41–43", "44–46", "47–48", "49–50"]
    assert lines[title + 3].split()[1:4] == ["1.9", "±", "6.4"]


def test_a_row_has_means_over_its_seeds_and_what_they_cost(seqlab: Command, tmp_path: Path) -> None:
    """Test, validation at the chosen checkpoint, seeds, parameters, state, and seconds of training."""
    for seed, (score, seconds) in enumerate([(0.1, 20.0), (0.3, 50.0)], 1):
        put(tmp_path / "runs", "lstm", seed, score, told={"seconds": seconds})
    out = seqlab("compare", "runs").out
    columns = ["cell", "test", "median", "n", "parameters", "seconds", "validation", "state"]
    assert out.splitlines()[1].split() == columns
    assert row(out, "lstm") == ["0.2 ± 1.3", "0.2", "2", "17,473", "35.0", "0.22", "128"]
    assert "Success" not in out


def test_the_best_on_the_test_comes_first(seqlab: Command, tmp_path: Path) -> None:
    """Whatever validation says, and whatever the order of the cells' names."""
    put(tmp_path / "runs", "attention", 1, 0.3, told={"best": {"val/mse": 0.1}})
    put(tmp_path / "runs", "rnn", 1, 0.2, told={"best": {"val/mse": 0.4}})
    out = seqlab("compare", "runs").out
    assert out.index("\nrnn") < out.index("\nattention")


def test_what_has_no_result_says_so(seqlab: Command, tmp_path: Path) -> None:
    """In a row with how many seeds there are."""
    for seed in (1, 2):
        put(tmp_path / "runs", "gru", seed, None, "failed")
    answer = seqlab("compare", "runs")
    assert answer.code == 0
    assert answer.out.startswith("adding: no result yet")
    assert row(answer.out, "gru") == ["-", "0 of 2"]


@pytest.mark.parametrize(("goal", "starred"), [("min", "zero return *"), ("max", "chance *")])
def test_the_best_reference_that_needs_no_training_has_the_star(
    seqlab: Command, tmp_path: Path, goal: str, starred: str
) -> None:
    """By the direction of the metric, and never the floor; all are written to four digits and by readable names."""
    metric = {"name": "squared_error", "goal": goal, "unit": "units"}
    references = {"chance": 1 / 6, "zero_return": 0.12345, "best": 0.1}
    told = {"metric": metric, "references": references, "test": {"test/squared_error": 0.1}, "best": {}}
    put(tmp_path / "runs", "lstm", 1, 0.0, told=told)
    out = seqlab("compare", "runs").out
    assert out.startswith("adding: squared error, units")
    assert [line.partition("  ")[0] for line in out.splitlines() if "*" in line and "reference" not in line] == [
        starred
    ]
    assert row(out, "chance") == ["0.1667"]
    assert row(out, "zero return") == ["0.1235"]
    assert row(out, "best possible") == ["0.1"]


def test_references_may_be_the_floor_alone(seqlab: Command, tmp_path: Path) -> None:
    """Which has no star."""
    put(tmp_path / "runs", "lstm", 1, 0.1, told={"references": {"best": 0.0}})
    assert "best possible  " in seqlab("compare", "runs").out


def test_every_cause_is_told_to_its_end(seqlab: Command, tmp_path: Path) -> None:
    """In one line and as it is, also that of a run whose table is another."""
    cause = "data.files=[red]: " + "a long cause " * 10
    put(tmp_path / "runs", "lstm", 1, 0.1)
    put(tmp_path / "runs", "rnn", 1, 0.1, told={"references": {}})
    put(tmp_path / "runs", "rnn", 2, None, "failed", told={"error": cause})
    assert f"-s2: failed: {cause}\n" in seqlab("compare", "runs").out


@pytest.mark.parametrize(
    "other", [{"references": {"chance": 0.2}}, {"metric": {"name": "mse", "goal": "min", "unit": "m"}}]
)
def test_another_reference_or_another_metric_is_another_table(tmp_path: Path, other: dict[str, Any]) -> None:
    """Each alone is enough; tables come in the order of their names."""
    put(tmp_path / "a", "gru", 1, 0.1, told=other)
    put(tmp_path / "b", "lstm", 1, 0.1)
    put(tmp_path / "b", "lstm", 2, 0.1)
    found = sections(read([tmp_path]))
    assert [[group.cell for group in section.groups] for section in found] == [["gru"], ["lstm"]]


def test_a_trial_of_one_batch_is_no_result(seqlab: Command, tmp_path: Path) -> None:
    """It is made to find faults."""
    put(tmp_path / "runs", "lstm", 1, 0.1)
    put(tmp_path / "runs", "rnn", 1, 0.1, trainer={"fast_dev_run": True})
    assert "rnn" not in seqlab("compare", "runs").out


def test_an_unfinished_run_has_no_score(tmp_path: Path) -> None:
    """Also where its summary tells one, as of a run that failed when its test was over."""
    put(tmp_path, "lstm", 1, 0.1, "failed")
    (record,) = read([tmp_path])
    assert record.score("test") is None


def test_rows_are_named_by_what_differs_and_can_differ(tmp_path: Path) -> None:
    """Another option by its name, and not by its keys; a key whose last part is not enough by all of it."""
    sgd = {"data": "adding", "cell": "lstm", "optimizer": "sgd", "logger": "none"}
    adam = sgd | {"optimizer": "adam", "logger": "wandb"}
    put(tmp_path / "a", "lstm", 1, 0.1, choices=sgd, optimizer={"lr": 0.1, "momentum": 0.9})
    put(tmp_path / "a", "lstm", 1, 0.1, choices=adam, optimizer={"lr": 0.2, "beta": 0.5})
    put(tmp_path / "b", "lstm", 1, 0.1, data={"size": 8}, model={"size": 1})
    put(tmp_path / "b", "lstm", 1, 0.1, data={"size": 9, "bias": True}, model={"size": 2})

    def labels(folder: str) -> list[list[str]]:
        groups = [group for section in sections(read([tmp_path / folder])) for group in section.groups]
        return sorted(sorted(group.label.split()) for group in groups)

    assert labels("a") == [["lstm", "optimizer=adam"], ["lstm", "optimizer=sgd"]]
    assert labels("b") == [
        ["bias=True", "data.size=9", "lstm", "model.size=2"],
        ["data.size=8", "lstm", "model.size=1"],
    ]


def test_success_says_of_how_many_runs_it_is_told(seqlab: Command, tmp_path: Path) -> None:
    """All, one, or none of those that finished, in the order of the criteria; nothing where it was not asked."""
    for cell, solved in (("lstm", [(900, 2000), (900, 2000)]), ("gru", [(None, None), (700, None)])):
        for seed, (first, second) in enumerate(solved, 1):
            put(tmp_path / "runs", cell, seed, 0.1, told={"solved": {"n_20": first, "n_10": second}})
    put(tmp_path / "runs", "gru", 3, None, "failed", told={"solved": {"n_20": 1, "n_10": 1}})
    put(tmp_path / "runs", "attention", 1, 0.1)
    out = seqlab("compare", "runs").out
    assert out.splitlines()[1].split()[:6] == ["cell", "place", "test", "n_20", "n_10", "n"]
    assert row(out, "gru")[2:5] == ["700 (1/2)", "none of 2", "2 of 3"]
    assert row(out, "lstm")[2:5] == ["900 ± 0", "2,000 ± 0", "2"]
    assert row(out, "attention")[2:5] == ["-", "-", "1"]


def test_a_papers_row_says_only_what_the_paper_says(seqlab: Command, tmp_path: Path) -> None:
    """A figure of all its runs has no share; what it does not tell is left empty, and it stands before ours is there."""
    published = {"by": "A paper with a long name", "success": 31390}
    put(tmp_path / "runs", "lstm", 1, 0.1, told={"solved": {"success": 7}}, published=published)
    put(tmp_path / "runs", "rnn", 1, 0.1, told={"solved": {"success": 7}}, published={"by": "Another", "mse": 0.25})
    out = seqlab("compare", "runs").out
    assert row(out, "A paper with") == ["31,390"]  # its name goes on in the next line
    assert row(out, "Another") == ["0.25"]
    put(tmp_path / "others", "lstm", 1, None, "interrupted", published={"by": "Another"})
    answer = seqlab("compare", "others")
    assert answer.code == 0
    assert "\nAnother" in answer.out


def test_a_long_name_goes_on_in_the_next_line_and_numbers_stay_whole(seqlab: Command, tmp_path: Path) -> None:
    """A name is never cut, and numbers stand below the last digits of each other."""
    long = {"a_first_key_of_much_length": 1, "a_second_key_of_much_length": 2, "a_third_key_of_much_length": 3}
    put(tmp_path / "runs", "lstm", 1, 0.1, optimizer=long)
    put(tmp_path / "runs", "lstm", 1, 0.25, optimizer={"lr": 0.1})
    out = seqlab("compare", "runs").out
    heading, _, *rows = out[: out.index("chance")].splitlines()[1:]
    assert [line.rstrip()[-4:] for line in rows if "17,473" in line] == ["20.0", "20.0"]
    assert len({len(line.rstrip()) for line in (heading, *rows) if "17,473" in line or "seconds" in line}) == 1
    names = "".join(line.partition("  ")[0].strip() for line in rows)
    assert all(f"{key}={value}" in names.replace(" ", "") for key, value in long.items())


def test_each_part_of_the_lengths_has_its_own_mean(seqlab: Command, tmp_path: Path) -> None:
    """The better cell first; where there are fewer lengths than parts, each length is one."""
    metric = {"name": "mean_error", "goal": "min", "unit": "m"}
    for cell, worse in (("gru", 10.0), ("rnn", 0.0)):
        told = {"by_length": {str(n): n + worse for n in (1, 2, 4)}, "metric": metric, "best": {}}
        put(tmp_path / "runs", cell, 1, 0.1, told=told | {"test": {"test/mean_error": worse}})
    lines = seqlab("compare", "runs").out.splitlines()
    title = lines.index(next(line for line in lines if line.startswith("adding: mean error by length")))
    assert [line.split() for line in lines[title + 1 : title + 5] if "─" not in line] == [
        ["cell", "1", "2", "4"],
        ["rnn", "1", "2", "4"],
        ["gru", "11", "12", "14"],
    ]


def test_lengths_are_those_that_all_have_that_tell_them(seqlab: Command, tmp_path: Path) -> None:
    """So that what stands below each other is about the same sequences."""
    for cell, lengths in (("gru", ()), ("lstm", (5, 6, 7)), ("rnn", (6, 7, 8))):
        put(tmp_path / "runs", cell, 1, 0.1, told={"by_length": {str(n): n for n in lengths}} if lengths else {})
    out = seqlab("compare", "runs").out
    by_length = out[out.index("by length") :].splitlines()
    assert by_length[1].split() == ["cell", "6", "7"]
    assert [line.split() for line in by_length[3:6]] == [["gru", "-", "-"], ["lstm", "6", "7"], ["rnn", "6", "7"]]
    put(tmp_path / "runs", "attention", 1, 0.1, told={"by_length": {"9": 1.0}})
    assert "by length" not in seqlab("compare", "runs").out


def test_a_part_of_many_lengths_is_their_mean(seqlab: Command, tmp_path: Path) -> None:
    """Of all, and not of the first."""
    put(tmp_path / "runs", "rnn", 1, 0.1, told={"by_length": {str(n): n**2 for n in range(1, 9)}})
    out = seqlab("compare", "runs").out
    assert row(out[out.index("by length") :], "rnn") == ["2.5", "12.5", "30.5", "56.5"]


def test_costs_of_packed_runs_are_told_to_be_those_of_the_pack(seqlab: Command, tmp_path: Path) -> None:
    """On the terminal and in the report; where none was packed nothing is said of it."""
    for seed, told in ((1, {}), (2, {"packed": 8})):
        put(tmp_path / "runs", "rnn", seed, 0.1, told=told)
        out = seqlab("compare", "runs", "--html", "report.html").out
        for page in (out, Path("report.html").read_text()):
            assert ("runs made in a pack" in page) == bool(told)


@pytest.mark.parametrize("columns", [60, 40])
def test_a_narrow_terminal_gets_less_and_nothing_is_cut(
    seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Scores and success without the costs; what has no room goes on in the next line; the legend has whole words."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    for seed in (1, 2):
        told = {"solved": {"st1": 900 * seed, "st2": 9000 * seed}, "by_length": {str(n): n * seed for n in range(40)}}
        put(tmp_path / "runs", "lstm", seed, 0.1 * seed, told=told)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seqlab("compare", "runs").out).splitlines()
    assert max(map(len, lines)) <= columns
    headings = [line.split() for line in lines if line.startswith("cell")]
    assert headings == [["cell", "test", "st1", "st2", "n"], ["cell", "0–9", "10–19", "20–29", "30–39"]]
    words = {word for line in lines for word in line.split()}
    assert {"0.64", "5,718", "57,178", "validation;", "criterion"} <= words
