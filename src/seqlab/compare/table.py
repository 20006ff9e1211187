"""The comparison as a table on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from rich.table import Table

from seqlab import terminal
from seqlab.compare.across import CAUTION, Scores, improvement, interquartile_mean
from seqlab.compare.answer import Answer, Row, across
from seqlab.compare.statistics import Mean, mean, written
from seqlab.terminal import WIDTH, Terminal

RANGES = 4
"""Into how many parts the lengths of test sequences are put together."""

WIDE = 120
"""Columns from which on there is room for all that is known of cost."""

FLOOR = "best"
"""The name of the reference that no predictor can beat."""

LEGEND = """Mean over n seeds ± half its 95 % t-interval; checkpoints chosen on validation;
test is read once per run. Places by pairwise t-tests, Holm-corrected; a range
where seeds do not tell. * is the best reference that needs no training."""

SOLVED = """
Success: training sequences until its criterion was met, by runs that met it."""


def show(answers: Sequence[Answer]) -> None:
    """Print the table and the words of each comparison, and the runs that did not finish, with their causes."""
    console = Terminal()
    for each in answers:
        console.print(_table(each, console.width))
        console.print()
        for sentence in each.words:
            console.print(sentence)
        if each.words:
            console.print()
        if each.section.lengths:
            console.print(_by_length(each))
            console.print()
    if shared := across(answers):
        console.print(_across(shared))
        console.print()
    lost = [record for each in answers for group in each.section.groups for record in group.unfinished]
    if lost:
        console.print("Without a result:", style="bold")
        for record in lost:
            console.print(
                f"  {record.config['id']}: {record.status.state}: {record.status.cause}", soft_wrap=True, markup=False
            )
    criteria = any(each.section.criteria for each in answers)
    console.print(f"{LEGEND}{SOLVED}" if criteria else LEGEND, style="dim", soft_wrap=True)


def _across(shared: Mapping[str, Scores]) -> Table:
    """What the experiments are worth on all tasks together."""
    n = min(len(task) for scores in shared.values() for task in scores)
    tasks = len(next(iter(shared.values())))
    caution = "" if n >= CAUTION else f"; {n} seeds are few for this"
    table = _started(
        f"{tasks} tasks: score, 0 at chance, 1 at the best possible{caution}",
        ["mean of middle half", "interval", "wins"],
    )
    means = {label: interquartile_mean(scores) for label, scores in shared.items()}
    for label in sorted(means, key=lambda label: -means[label].value):
        others = [improvement(shared[label], scores).value for other, scores in shared.items() if other != label]
        middle = means[label]
        wins = f"{100 * fmean(others):.0f} %" if others else "-"
        table.add_row(label, f"{middle.value:.3f}", f"{middle.low:.3f} to {middle.high:.3f}", wins)
    return table


def _table(answer: Answer, width: int) -> Table:
    criteria = answer.section.criteria
    table = _started(answer.title, columns := _columns(criteria, width))
    for row in answer.rows:
        cells = _cells(answer, row)
        table.add_row(row.label, *(cells.get(name, "-") for name in columns))
    table.add_section()
    naive = [name for name in answer.references if name != FLOOR]
    strongest = min(naive, key=lambda name: answer.sign * answer.references[name], default=None)
    for name, value in answer.references.items():
        label = name.replace("_", " ")
        told = "best possible" if name == FLOOR else f"{label} *" if name == strongest else label
        reference = {"test": f"{value:.4g}"}
        table.add_row(told, *(reference.get(column, "") for column in columns), style="dim")
    for published in answer.section.published:
        cells = _published(published, answer.metric, criteria)
        table.add_row(published["by"], *(cells.get(name, "") for name in columns), style="dim")
    return table


def _columns(criteria: Sequence[str], width: int) -> list[str]:
    """What there is room for: the answer first, then success, then costs."""
    if width < WIDTH:
        return ["test", *criteria, "n"]
    if len(criteria) > 1:
        return ["place", "test", *criteria, "n"]
    told = ["place", "test", *(criteria or ["median"]), "n", "parameters", "seconds"]
    return told if width < WIDE else [*told, "validation", "state", "tokens/s", "memory"]


def _by_length(answer: Answer) -> Table:
    """The main metric over test sequences from short to long."""
    lengths = answer.section.lengths
    parts = [part.tolist() for part in np.array_split(lengths, min(RANGES, len(lengths)))]
    spans = [part[0] if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts]
    measure = answer.section.measure or {}
    table = _started(f"{answer.section.data}: {measure['name'].replace('_', ' ')} by length", spans)
    for row in answer.rows:
        table.add_row(row.label, *(written(mean(row.group.scores_at(part))) for part in parts))
    return table


def _started(title: str, columns: Sequence[str]) -> Table:
    table = terminal.table(title)
    table.add_column("cell", min_width=13, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cells(answer: Answer, row: Row) -> dict[str, str]:
    """What stands in each column; nothing in the columns of a result that there is not."""
    group, ended = row.group, row.group.finished
    if not ended:
        return {"n": f"0 of {len(group.records)}"}
    first, last = answer.places.get(row.label, (0, 0))
    return {
        "place": str(first) if first == last else f"{first}–{last}",
        "test": written(row.mean),
        "median": f"{row.median:.4g}",
        **{name: _solved(mean(group.solved_after(name)), len(ended)) for name in answer.section.criteria},
        "n": f"{len(ended)} of {len(group.records)}" if group.unfinished else str(len(ended)),
        "parameters": f"{row.cost('parameters').value:,.0f}",
        "seconds": f"{row.cost('seconds').value:.1f}",
        "validation": f"{mean(group.scores('val')).value:.4g}",
        "state": f"{row.cost('state_size').value:,.0f}",
        "tokens/s": f"{row.cost('tokens_per_second').value:,.0f}",
        "memory": terminal.size(row.cost("peak_memory").value),
    }


def _solved(after: Mean, of: int) -> str:
    """``31,400 ± 2,100``, and how many of the runs it is the mean of, if not of all."""
    share = "" if after.n == of else f" ({after.n}/{of})"
    spread = "" if math.isnan(after.half_width) else f" ± {after.half_width:,.0f}"
    return f"{after.value:,.0f}{spread}{share}" if after.n else f"none of {of}"


def _published(row: Mapping[str, Any], metric: str, criteria: Sequence[str]) -> dict[str, str]:
    """A paper's row in our columns: the main metric, and sequences until success."""
    share, weights = row.get("solved", 1), row.get("weights")
    return {
        **{name: _told(row.get(name), share) for name in criteria},
        "test": f"{row[metric]:.4g}" if metric in row else "",
        "parameters": f"{weights:,}" if weights else "",
    }


def _told(sequences: int | None, share: float) -> str:
    if sequences is None:
        return "" if share else "none"
    return f"{sequences:,}" if share == 1 else f"{sequences:,} ({share:.0%})"
