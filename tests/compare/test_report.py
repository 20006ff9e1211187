"""The report: one page with the answer, tables, figures, samples, causes and where it was made."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from conftest import Command
from folders import answers, put, says, validated
from seqlab.compare.report import report

ORIGIN = {"commit": "b09da97e03af", "ended": "2026-01-02T03:04:05+00:00", "data": "adding", "fingerprint": "70eddd7a"}


def page(root: Path) -> str:
    """The report of all runs in a folder, without the scripts and styles that every page has."""
    written = report(answers(root), [])
    return re.sub(r"<(script|style)>.*?</\1>", "", written, flags=re.DOTALL)


def rows(html: str, caption: str) -> list[list[str]]:
    """What stands in a table of the page, its head first."""
    table = (
        html.split(f'<table aria-label="{caption}"')[-1].split(f'aria-label="{caption}">')[-1].partition("</table>")[0]
    )
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("<tr")[1:]]
    return [[unescape(cell) for cell in row] for row in cells]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two cells, of which one has seeds without a result."""
    for seed in (1, 2):
        run = put(tmp_path, "lstm", seed, 0.01 * seed, told=ORIGIN, overrides=[f"seed={seed}", "cell=lstm", "lr=0.1"])
        validated(run, {100: 0.1, 200: 0.0001 * seed})
    put(tmp_path, "gru", 1, 0.04, told={**ORIGIN, "commit": "another", "environment": {"torch": "2.13"}})
    put(tmp_path, "gru", 2, None, "failed", told={"error": "<i>no</i> room", "traceback": "Traceback: 1 < 2"})
    put(tmp_path, "gru", 3, None, "diverged")
    put(tmp_path, "gru", 4, None, "interrupted")
    return tmp_path


def test_the_answer_comes_first(runs: Path) -> None:
    """Before any part; and how many runs it is of, each of which is counted."""
    html = page(runs)
    before = html.partition("<section>")[0]
    (found,) = answers(runs)
    assert (
        re.findall(r"<p>(.*?)</p>", before.partition('<div class="answer">')[2].partition("</div>")[0]) == found.words
    )
    assert "6 runs: 3 finished, 1 failed, 1 diverged, 1 missing." in before
    assert "test was read once per run" in before
    assert "<h1>2 cells on 1 task</h1>" in html


def test_the_table_is_that_of_the_terminal_with_all_columns(runs: Path) -> None:
    """A row for each line, and as many cells in each as there are columns."""
    head, *told = rows(page(runs), "adding: mse, squared units, lower is better")
    assert head[:3] == ["cell", "place", "test"]
    assert [row[0] for row in told] == ["lstm", "gru", "chance *", "best possible"]
    assert {len(row) for row in told} == {len(head)}
    assert told[1][head.index("n")] == "1 of 4"


def test_what_has_no_result_is_there_with_its_cause(runs: Path) -> None:
    """And its traceback, where there is one; all as text."""
    html = page(runs)
    told = rows(html, "3 runs")
    assert [row[1:] for row in told[1:]] == [
        ["failed", "<i>no</i> room"],
        ["diverged", "diverged for a reason"],
        ["missing", "it was never started"],
    ]
    assert "<i>" not in html
    assert re.search(r"Traceback of adding-gru-\w{8}-s2</summary>\s*<pre>Traceback: 1 &lt; 2</pre>", html)
    assert html.count("<summary>Traceback of") == 1


def test_where_all_finished_nothing_is_said_of_failures(tmp_path: Path) -> None:
    """No empty part."""
    put(tmp_path, "lstm", 1, 0.1)
    html = page(tmp_path)
    assert "Without a result" not in html
    assert "1 run: 1 finished." in html


def test_a_name_is_text_wherever_it_stands(tmp_path: Path) -> None:
    """Also in the JSON of figures, which ends no script early."""
    evil = "</script><b>"
    for cell in ("<b>", "lstm"):
        run = put(
            tmp_path / "runs",
            "x",
            1,
            0.1,
            choices={"data": evil, "cell": cell},
            told={"references": {evil: 0.2}},
            lr=len(cell),
        )
        says(validated(run, {100: 0.1}), {"step": 1, "said": evil, "<u>": evil})
    html = report(answers(tmp_path), [])
    body = html.partition("</head>")[2]
    assert "<b>" not in re.sub(r'<script type="application/json">.*?</script>', "", body, flags=re.DOTALL)
    assert "<u>" not in body
    assert "&lt;b&gt;" in body
    figures = re.findall(r'<script type="application/json">(.*?)</script>', body, re.DOTALL)
    assert len(figures) == html.count('class="plot"') == 3
    assert all(json.loads(figure)["data"] for figure in figures)


def test_samples_are_the_last_of_the_first_seed_with_a_result(tmp_path: Path) -> None:
    """At most three, one column for each thing that was said; nobody chose them."""
    says(put(tmp_path, "lstm", 1, None, "failed"), {"step": 9, "said": "of a failed run"})
    early = {"step": 100, "input": "ab", "said": "early"}
    late = [{"step": 200, "input": "ab", "said": f"late {i}", "truth": "c"} for i in range(4)]
    says(put(tmp_path, "lstm", 2, 0.1), early, *late)
    says(put(tmp_path, "lstm", 3, 0.1), {"step": 200, "said": "of another seed"})
    head, *told = rows(page(tmp_path), "What they say of the first validation sequences")
    assert head == ["cell", "input", "said", "truth"]
    assert told == [["lstm, seed 2", "ab", f"late {i}", "c"] for i in range(3)]


def test_the_commands_make_the_same_runs(runs: Path) -> None:
    """All seeds of an experiment in one, without the seed that each was given."""
    commands = page(runs).partition("Commands that make these runs</summary>")[2].partition("</pre>")[0]
    assert "seqlab train -m cell=lstm lr=0.1 seed=1,2\n" in commands
    assert commands.rstrip().endswith("seed=1,2,3,4")


def test_times_to_the_threshold_are_told_by_all_that_is_counted(runs: Path) -> None:
    """Steps, tokens and seconds, of those that have curves."""
    (caption,) = re.findall(r'<p class="caption">(Until validation.*?)</p>', page(runs))
    assert caption.startswith("Until validation was at 0.00167: ")
    assert rows(page(runs), caption) == [["cell", "steps", "tokens", "seconds"], ["lstm", "200", "2,000", "100"]]


def test_every_key_that_differs_is_told(tmp_path: Path) -> None:
    """Also those that names leave out, such as those of another optimizer."""
    for name, more in (("sgd", {"momentum": 0.9}), ("adam", {"beta": 0.5})):
        choices = {"data": "adding", "cell": "lstm", "optimizer": name}
        put(tmp_path, "lstm", 1, 0.1, choices=choices, optimizer={"lr": 0.1, "_target_": name, **more})
    head, *told = rows(page(tmp_path), "Configuration: every key in which they differ")
    assert sorted(head) == ["cell", "optimizer", "optimizer.beta", "optimizer.momentum"]
    assert sorted(row[head.index("optimizer.beta")] for row in told) == ["", "0.5"]


def test_provenance_counts_the_runs_that_each_fact_holds_of(runs: Path) -> None:
    """Of those with a result."""
    told = dict(rows(page(runs), "Each fact with the number of runs")[1:])
    assert told == {
        "commit": "another (1); b09da97e03af (2)",
        "day": "2026-01-02 (3)",
        "fingerprint of adding": "70eddd7a (3)",
        "torch": "2.13 (1)",
    }


def test_every_pair_is_told_with_what_it_would_take(runs: Path) -> None:
    """One seed has no test, and that is a dash and no NaN."""
    html = page(runs)
    head, *told = rows(html, "Every pair: tests, effects, and what it would take")
    assert told == [["lstm against gru", "0.025", "-", "no", "-", "100 %", "unpaired", "-"]]
    assert len(head) == len(told[0])
    assert not re.search(r">\s*nan\s*<", html, re.IGNORECASE)


def test_several_tasks_are_put_together_above_the_parts(tmp_path: Path) -> None:
    """With the profile; and the answer is about all of them."""
    for task in ("adding", "copy"):
        for seed in (1, 2):
            put(tmp_path, "lstm", seed, 0.01, data_set=task)
            put(tmp_path, "gru", seed, 0.1, data_set=task)
    html = page(tmp_path)
    assert re.findall(r'<h2 id="part-(\d)">(.*?)</h2>', html) == [
        ("1", "All tasks together"), ("2", "adding"), ("3", "copy"), ("4", "Environment and data"),
    ]  # fmt: skip
    assert (
        '<div class="answer">\n<p>Over 2 tasks lstm scores 0.940 (interquartile mean, 0.940 to 0.940), where 0 is chance and 1 the best possible.</p>'
        in html
    )
    caption = "Interquartile mean of scores that are 0 at chance and 1 at the best possible"
    assert rows(html, caption)[1:] == [
        ["lstm", "0.940", "0.940 to 0.940", "gru 100 %"],
        ["gru", "0.400", "0.400 to 0.400", "lstm 0 %"],
    ]
    assert "Performance profile" in html


def test_nothing_but_failures_is_a_report_too(tmp_path: Path) -> None:
    """Which tells them."""
    put(tmp_path, "gru", 1, None, "failed")
    html = page(tmp_path)
    assert "adding: no result yet" in html
    assert "failed for a reason" in html


def test_data_without_references_has_a_report_too(tmp_path: Path) -> None:
    """Then there is no threshold."""
    validated(put(tmp_path, "gru", 1, 0.1, told={"references": {}}), {100: 0.1})
    assert "Until validation" not in page(tmp_path)


def test_the_command_writes_the_page(seqlab: Command, tmp_path: Path, runs: Path) -> None:
    """One file that asks nothing of a network, and says where it is."""
    answer = seqlab("compare", str(runs), "--html", "report.html")
    assert answer.code == 0
    assert "Drawn: report.html" in answer.out
    html = (tmp_path / "report.html").read_text()
    assert "default-src 'none'" in html
    head = html.partition("<script>")[0] + html.rpartition("</script>")[2]
    assert not re.search(r'(src|href)="(?!#)', head + page(runs))
