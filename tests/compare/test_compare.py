"""The comparison: intervals that keep their level, failures shown, and a table that fits."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from seqlab.compare.read import read, sections
from seqlab.compare.statistics import mean
from seqlab.compare.table import written
from seqlab.runs import Run


def put(
    root: Path, cell: str, seed: int, score: float | None, status: str = "finished", lr: float = 0.1, **more: Any
) -> Run:
    """A run folder as training leaves it; without a score, one that did not get so far."""
    group = f"adding-{cell}-{hash((cell, lr)) % 16**8:08x}"
    choices = {"data": "adding", "cell": cell}
    config = {"id": f"{group}-s{seed}", "group": group, "choices": choices, "seed": seed, "runs_dir": str(root)}
    run = Run({**config, "cell": {"hidden_size": 64}, "optimizer": {"lr": lr}, **more})
    run.prepare()
    summary: dict[str, Any] = {"status": status, "metric": {"name": "mse", "goal": "min", "unit": "squared units"}}
    if score is not None:
        summary |= {
            "references": {"chance": 1 / 6, "best": 0.0},
            "test": {"test/mse": score},
            "best": {"val/mse": score * 1.1},
            "parameters": 17473,
            "state_size": 128,
            "seconds": 20.0,
        }
    elif status != "interrupted":
        summary["error"] = f"{status} for a reason"
    if status != "interrupted":
        run.conclude(summary)
    return run


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
    rows = [line.split()[0] for line in lines if line.startswith(("lstm", "vanilla", "chance", "best"))]
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
    """Two experiments with one cell are told apart by the key that varies, and by no other."""
    put(tmp_path, "lstm", 1, 0.1, lr=0.1)
    put(tmp_path, "lstm", 1, 0.1, lr=0.2)
    put(tmp_path, "gru", 1, 0.1)
    assert sorted(group.label for section in sections(read([tmp_path])) for group in section.groups) == [
        "gru",
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
