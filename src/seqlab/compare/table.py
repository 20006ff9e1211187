"""The comparison as tables and words on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.table import Table

from seqlab import terminal
from seqlab.compare.across import CAUTION, Scores, improvement, interquartile_mean
from seqlab.compare.answer import Answer, Row, across
from seqlab.compare.statistics import Mean, mean, written
from seqlab.terminal import LABEL, Terminal

RANGES = 4
"""Into how many parts the lengths of test sequences are put together."""

LONG = 24
"""How wide the names of experiments are where they go on in a second line for numbers."""

FLOOR = "best"
"""The name of the reference that no predictor can beat."""

LEGEND = """Mean over n seeds ± half its 95 % t-interval; checkpoints chosen on validation;
test is read once per run. Places by paired t-tests, Holm-corrected: a range
where they do not decide. * is the best reference that needs no training."""

SOLVED = """
Success: training sequences until its criterion was met, by runs that met it."""

ACROSS = """
Score: 0 at chance, 1 at the best possible; the mean of the middle half of all
runs, with its bootstrap interval; wins: against a run of the others."""


def show(answers: Sequence[Answer]) -> None:
    """Print the table and the words of each comparison, and the runs that did not finish, with their causes."""
    console = Terminal()
    for each in answers:
        console.print(_table(each, console.width))
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
    lost = [record for each in answers for group in each.section.groups for record in group.unfinished]
    if lost:
        console.print("Without a result:", style="bold")
        for record in lost:
            console.print(
                f"  {record.config['id']}: {record.status.state}: {record.status.cause}", soft_wrap=True, markup=False
            )
    criteria = any(each.section.criteria for each in answers)
    console.print(f"{LEGEND}{SOLVED * criteria}{ACROSS * bool(shared)}", style="dim")


def _table(answer: Answer, width: int) -> Table:
    criteria = answer.section.criteria
    rows = {row.label: _cells(answer, row) for row in answer.rows}
    needed = ["test", *criteria, "n"]
    wanted = ["place", "parameters", "seconds", "median", "validation", "state", "tokens/s", "memory"]
    chosen = _fitting(needed, wanted, list(rows.values()), width - _named(list(rows)))
    columns = [
        name for name in ("place", "test", *criteria, "median", "n", *wanted[1:3], *wanted[4:]) if name in chosen
    ]
    table = terminal.numbers(answer.title, columns)
    for label, cells in rows.items():
        table.add_row(label, *(cells.get(name, "-") for name in columns))
    table.add_section()
    naive = [name for name in answer.references if name != FLOOR]
    strongest = min(naive, key=lambda name: answer.sign * answer.references[name], default=None)
    for name, value in answer.references.items():
        label = name.replace("_", " ")
        told = "best possible" if name == FLOOR else f"{label} *" if name == strongest else label
        table.add_row(told, *(f"{value:.4g}" * (column == "test") for column in columns), style="dim")
    for published in answer.section.published:
        cells = _published(published, answer.metric, criteria)
        table.add_row(published["by"], *(cells.get(name, "") for name in columns), style="dim")
    return table


def _named(names: Sequence[str]) -> int:
    """How much room names take."""
    word = max(cell_len(word) for name in names for word in name.split())
    return 1 + max(LABEL, word, min(LONG, max(map(cell_len, names))))


def _fitting(needed: Sequence[str], wanted: Sequence[str], rows: Sequence[Mapping[str, str]], room: int) -> list[str]:
    """What is needed, and of what is wanted as much as there is room for, the first first."""

    def taken(name: str) -> int:
        return 2 + max(cell_len(cell) for cell in (name, *(cells.get(name, "-") for cells in rows)))

    room -= sum(map(taken, needed))
    chosen = list(needed)
    for name in wanted:
        if any(name in cells for cells in rows):
            room -= taken(name)
            if room < 0:
                break
            chosen.append(name)
    return chosen


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
        others = [improvement(shared[label], scores).value for other, scores in shared.items() if other != label]
        wins = f"{100 * fmean(others):.0f} %" if others else "-"
        table.add_row(label, f"{middle.value:.3f}", f"{middle.low:.3f} to {middle.high:.3f}", wins)
    return table


def _cells(answer: Answer, row: Row) -> dict[str, str]:
    """What stands in each column; nothing in the columns of a result that there is not."""
    group, ended = row.group, row.group.finished
    if not ended:
        return {"n": f"0 of {len(group.records)}"}
    costs = {"parameters": "parameters", "state": "state_size", "tokens/s": "tokens_per_second"}
    told = {
        **({"place": place(answer.places.get(row.label))} if len(answer.places) > 1 else {}),
        "test": written(row.mean),
        "median": f"{row.median:.4g}",
        **{name: _solved(mean(group.solved_after(name)), len(ended)) for name in group.criteria},
        "n": f"{len(ended)} of {len(group.records)}" if group.unfinished else str(len(ended)),
        "validation": f"{mean(group.scores('val')).value:.4g}",
        "seconds": f"{row.cost('seconds').value:.1f}",
    }
    told |= {name: f"{row.cost(key).value:,.0f}" for name, key in costs.items() if row.cost(key).n}
    return told | ({"memory": terminal.size(row.cost("peak_memory").value)} if row.cost("peak_memory").n else {})


def place(places: tuple[int, int] | None) -> str:
    """``2``, or ``2–4`` where it is not decided; nothing without a result."""
    return "-" if places is None else str(places[0]) if places[0] == places[1] else f"{places[0]}–{places[1]}"


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
