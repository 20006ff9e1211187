"""The comparison as a table on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from seqlab import terminal
from seqlab.compare.read import Group, Section
from seqlab.compare.statistics import Mean, mean
from seqlab.terminal import WIDTH, Terminal

RANGES = 4
"""Into how many parts the lengths of test sequences are put together."""

FLOOR = "best"
"""The name of the reference that no predictor can beat."""

LEGEND = """Mean over n seeds ± half its 95 % t-interval; checkpoints chosen on validation;
test is read once per run. * is the best reference that needs no training."""

SOLVED = """
Success: training sequences until its criterion was met, by runs that met it."""


def show(sections: Sequence[Section]) -> None:
    """Print the tables of each data set, and below them the runs that did not finish, with their causes."""
    console = Terminal()
    narrow = console.width < WIDTH
    for section in sections:
        console.print(_table(section, narrow))
        console.print()
        if section.lengths:
            console.print(_by_length(section, narrow))
            console.print()
    lost = [record for section in sections for group in section.groups for record in group.unfinished]
    if lost:
        console.print("Without a result:", style="bold")
        for record in lost:
            console.print(
                f"  {record.config['id']}: {record.status.state}: {record.status.cause}", soft_wrap=True, markup=False
            )
    criteria = any(section.criteria for section in sections)
    console.print(f"{LEGEND}{SOLVED}" if criteria else LEGEND, style="dim")


def _table(section: Section, narrow: bool) -> Table:
    metric, references = _measured(section)
    sign = 1 if metric["goal"] == "min" else -1
    table = _started(_title(section), columns := _columns(section, narrow), narrow)
    for group in _ranked(section):
        row = _row(group)
        table.add_row(group.label, *(row.get(name, "-") for name in columns))
    table.add_section()
    naive = [name for name in references if name != FLOOR]
    strongest = min(naive, key=lambda name: sign * references[name], default=None)
    for name, value in references.items():
        label = name.replace("_", " ")
        table.add_row(
            "best possible" if name == FLOOR else f"{label} *" if name == strongest else label,
            f"{value:.4g}",
            style="dim",
        )
    for published in section.published:
        row = _published(published, metric["name"], section.criteria)
        table.add_row(published["by"], *(row.get(name, "") for name in columns), style="dim")
    return table


def _title(section: Section) -> str:
    if not section.finished:
        return f"{section.data}: no result yet"
    metric, _ = _measured(section)
    better = "lower" if metric["goal"] == "min" else "higher"
    return f"{section.data}: {metric['name'].replace('_', ' ')}, {metric['unit']}, {better} is better"


def _columns(section: Section, narrow: bool) -> list[str]:
    """What there is room for: success before validation and costs."""
    if narrow or len(section.criteria) > 1:
        return ["test", *section.criteria, "n"]
    if section.criteria:
        return ["test", *section.criteria, "n", "parameters", "seconds"]
    return ["test", "validation", "n", "parameters", "state", "seconds"]


def _by_length(section: Section, narrow: bool) -> Table:
    """The main metric over test sequences from short to long."""
    parts = [part.tolist() for part in np.array_split(section.lengths, min(RANGES, len(section.lengths)))]
    spans = [part[0] if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts]
    table = _started(f"{section.data}: {_measured(section)[0]['name'].replace('_', ' ')} by length", spans, narrow)
    for group in _ranked(section):
        table.add_row(group.label, *(written(mean(group.scores_at(part))) for part in parts))
    return table


def _started(title: str, columns: Sequence[str], narrow: bool) -> Table:
    """A table without rows, whose numbers go on in a second line where there is little room beside each other."""
    table = terminal.table(title)
    table.add_column("cell", min_width=None if narrow else 13, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=not narrow, overflow="fold")
    return table


def _measured(section: Section) -> tuple[Mapping[str, Any], Mapping[str, float]]:
    """The main metric and the references, as far as they are known."""
    if not section.finished:
        return {"name": "score", "goal": "min", "unit": ""}, {}
    summary = section.finished[0].summary
    return summary["metric"], summary["references"]


def _ranked(section: Section) -> list[Group]:
    sign = 1 if _measured(section)[0]["goal"] == "min" else -1

    def rank(group: Group) -> float:
        value = mean(group.scores("test")).value
        return math.inf if math.isnan(value) else sign * value

    return sorted(section.groups, key=rank)


def _row(group: Group) -> dict[str, str]:
    """What stands in each column; nothing in the columns of a result that there is not."""
    ended = group.finished
    if not ended:
        return {"n": f"0 of {len(group.records)}"}
    first = ended[0].summary
    return {
        "test": written(mean(group.scores("test"))),
        "validation": f"{mean(group.scores('val')).value:.4g}",
        **{name: _solved(mean(group.solved_after(name)), len(ended)) for name in group.criteria},
        "n": f"{len(ended)} of {len(group.records)}" if group.unfinished else str(len(ended)),
        "parameters": f"{first['parameters']:,}",
        "state": f"{first['state_size']:,}",
        "seconds": f"{mean([record.summary['seconds'] for record in ended]).value:.1f}",
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


def written(mean: Mean) -> str:
    """``0.1573 ± 0.0021``: the mean to the precision that its interval allows, at most six decimals."""
    if mean.n == 0:
        return "-"
    if math.isnan(mean.half_width):
        return f"{mean.value:.4g}"
    scale = mean.half_width or abs(mean.value) or 1.0
    decimals = min(6, max(0, 1 - math.floor(math.log10(scale))))
    return f"{mean.value:.{decimals}f} ± {mean.half_width:.{decimals}f}"
