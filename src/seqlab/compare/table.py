"""The comparison as tables and words on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import fmean

import numpy as np
from rich.cells import cell_len
from rich.table import Table

from seqlab import terminal
from seqlab.compare import columns
from seqlab.compare.across import CAUTION, Scores, improvement, interquartile_mean
from seqlab.compare.answer import PACKED, Answer, across, across_words, packed, test_reads
from seqlab.compare.statistics import mean, written
from seqlab.terminal import LABEL, Terminal

RANGES = 4
"""Into how many parts the lengths of test sequences are put together."""

LONG = 24
"""How wide the names of experiments are where they go on in a second line for numbers."""

LEGEND = """Mean over n seeds ± half its 95 % t-interval; checkpoints chosen on validation;
test was read {reads}. Places by paired t-tests, Holm-corrected: a range
where they do not decide. * is the best reference that needs no training."""

SOLVED = """
Success: training sequences until its criterion was met, by runs that met it."""

UNTIL = """
Steps to: when half of the runs had reached that on validation (k/n: k of n ever
did; >: fewer than half). It is 99 % of the way from chance to the best possible,
or the reference *."""

ACROSS = """
Score: 0 at chance, 1 at the best possible; the mean of the middle half of all
runs, with its bootstrap interval; wins: against a run of the others."""


def show(answers: Sequence[Answer]) -> None:
    """Print the table and the words of each comparison, and the runs that did not finish, with their causes."""
    console = Terminal()
    tables = [_table(each, console.width) for each in answers]
    for each, table in zip(answers, tables, strict=True):
        console.print(table)
        console.print()
        for sentence in each.words:
            console.print(sentence, highlight=False)
        if each.words:
            console.print()
        if each.section.lengths:
            console.print(_by_length(each))
            console.print()
    if shared := across(answers):
        console.print(_across(shared))
        console.print()
        for sentence in across_words(shared):
            console.print(sentence)
        console.print()
    lost = [record for each in answers for group in each.section.groups for record in group.unfinished]
    if lost:
        console.print("Without a result:", style="bold")
        for record in lost:
            console.print(
                f"  {record.config['id']}: {record.status.state}: {record.status.cause}", soft_wrap=True, markup=False
            )
    criteria = any(each.section.criteria for each in answers)
    timed = any(str(column.header).startswith("steps to") for table in tables for column in table.columns)
    costs = f"\n{PACKED}" * packed(answers)
    told = f"{LEGEND}{SOLVED * criteria}{UNTIL * timed}{costs}{ACROSS * bool(shared)}"
    console.explain(told.format(reads=reads(answers)))


def reads(answers: Sequence[Answer]) -> str:
    """``once per run``, or ``7 times for 5 runs``."""
    times, runs = test_reads(answers)
    return "once per run" if times == runs else f"{times} times for {terminal.count(runs, 'run')}"


def _table(answer: Answer, width: int) -> Table:
    told = columns.lines(answer)
    runs = [line for line in told if line.kind == "runs"]
    chosen = _fitting(answer, runs, width - _named([line.label for line in runs]))
    table = terminal.numbers(answer.title, chosen)
    for kind, lines in groupby(told, key=lambda line: line.kind):
        if kind == "reference":
            table.add_section()
        blank, style = ("-", None) if kind == "runs" else ("", "dim")
        for line in lines:
            table.add_row(line.label, *(line.cells.get(name, blank) for name in chosen), style=style)
    return table


def _named(names: Sequence[str]) -> int:
    """How much room names take."""
    word = max(cell_len(word) for name in names for word in name.split())
    return 1 + max(LABEL, word, min(LONG, max(map(cell_len, names))))


def _fitting(answer: Answer, runs: Sequence[columns.Line], room: int) -> list[str]:
    """The columns that are needed, and of those that are wanted as many as there is room for."""

    def taken(name: str) -> int:
        return 2 + max(cell_len(cell) for cell in (name, *(line.cells.get(name, "-") for line in runs)))

    chosen = columns.needed(answer)
    room -= sum(map(taken, chosen))
    for name in columns.wanted(answer):
        if any(name in line.cells for line in runs):
            room -= taken(name)
            if room < 0:
                break
            chosen.append(name)
    return [name for name in columns.columns(answer) if name in chosen]


def _by_length(answer: Answer) -> Table:
    """The main metric over test sequences from short to long."""
    lengths, measure = answer.section.lengths, answer.section.measure or {}
    parts = [part.tolist() for part in np.array_split(lengths, min(RANGES, len(lengths)))]
    spans = [part[0] if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts]
    table = terminal.numbers(f"{answer.section.data}: {measure['name'].replace('_', ' ')} by length", spans)
    for row in answer.rows:
        table.add_row(row.label, *(written(mean(row.group.scores_at(part))) for part in parts))
    return table


def _across(shared: Mapping[str, Scores]) -> Table:
    """What the experiments are worth on all tasks together."""
    n = min(len(task) for scores in shared.values() for task in scores)
    caution = "" if n >= CAUTION else f"; {n} seeds are few for its interval"
    tasks = len(next(iter(shared.values())))
    table = terminal.numbers(f"{tasks} tasks together{caution}", ["score", "interval", "wins"])
    means = {label: interquartile_mean(scores) for label, scores in shared.items()}
    for label, middle in sorted(means.items(), key=lambda item: -item[1].value):
        others = [improvement(shared[label], scores) for other, scores in shared.items() if other != label]
        wins = f"{100 * fmean(others):.0f} %" if others else "-"
        table.add_row(label, f"{middle.value:.3f}", f"{middle.low:.3f} to {middle.high:.3f}", wins)
    return table
