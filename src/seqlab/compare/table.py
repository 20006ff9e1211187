"""The comparison as a table on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from seqlab import terminal
from seqlab.compare.read import Group, Section
from seqlab.compare.statistics import Mean, mean
from seqlab.terminal import WIDTH, Terminal

COLUMNS = ("test", "validation", "n", "parameters", "state", "seconds")
NARROW = ("test", "n")
"""What is shown of each group; less where there is no room."""

FLOOR = "best"
"""The name of the reference that no predictor can beat."""

LEGEND = """Mean over n seeds ± half its 95 % t-interval; checkpoints chosen on validation;
test is read once per run. * is the best reference that needs no training."""


def show(sections: Sequence[Section]) -> None:
    """Print one table per data set, and below them the runs that did not finish, with their causes."""
    console = Terminal()
    for section in sections:
        console.print(_table(section, COLUMNS if console.width >= WIDTH else NARROW))
        console.print()
    lost = [record for section in sections for group in section.groups for record in group.unfinished]
    if lost:
        console.print("Without a result:", style="bold")
        for record in lost:
            console.print(
                f"  {record.config['id']}: {record.status.state}: {record.status.cause}", soft_wrap=True, markup=False
            )
    console.print(LEGEND, style="dim", soft_wrap=True)


def _table(section: Section, columns: Sequence[str]) -> Table:
    ended = [record for group in section.groups for record in group.finished]
    metric = ended[0].summary["metric"] if ended else {"name": "score", "goal": "min", "unit": ""}
    references = ended[0].summary["references"] if ended else {}
    sign = 1 if metric["goal"] == "min" else -1
    better = "lower" if sign > 0 else "higher"
    title = f"{section.data}: {metric['name'].replace('_', ' ')}, {metric['unit']}, {better} is better"
    table = terminal.table(title)
    table.add_column("cell", min_width=13, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for group in sorted(section.groups, key=lambda group: _rank(group, sign)):
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
    return table


def _rank(group: Group, sign: int) -> float:
    value = mean(group.scores("test")).value
    return math.inf if math.isnan(value) else sign * value


def _row(group: Group) -> dict[str, str]:
    """What stands in each column; nothing in the columns of a result that there is not."""
    ended = group.finished
    if not ended:
        return {"n": f"0 of {len(group.records)}"}
    first = ended[0].summary
    return {
        "test": written(mean(group.scores("test"))),
        "validation": f"{mean(group.scores('val')).value:.4g}",
        "n": f"{len(ended)} of {len(group.records)}" if group.unfinished else str(len(ended)),
        "parameters": f"{first['parameters']:,}",
        "state": f"{first['state_size']:,}",
        "seconds": f"{mean([record.summary['seconds'] for record in ended]).value:.1f}",
    }


def written(mean: Mean) -> str:
    """``0.1573 ± 0.0021``: the mean to the precision that its interval allows, at most six decimals."""
    if mean.n == 0:
        return "-"
    if math.isnan(mean.half_width):
        return f"{mean.value:.4g}"
    scale = mean.half_width or abs(mean.value) or 1.0
    decimals = min(6, max(0, 1 - math.floor(math.log10(scale))))
    return f"{mean.value:.{decimals}f} ± {mean.half_width:.{decimals}f}"
