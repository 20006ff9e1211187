"""What stands in the table of a comparison, whoever shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seqlab import terminal
from seqlab.compare.answer import FLOOR, Answer, Row
from seqlab.compare.statistics import Mean, mean, written

COSTS = {"parameters": "parameters", "state": "state_size", "tokens/s": "tokens_per_second"}
"""Columns of plain numbers, by what the summary calls them."""


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        label: what it is about.
        cells: by column; what is not known is not there.
        kind: whether these are runs, a predictor that needs no training, or what a paper says.
    """

    label: str
    cells: Mapping[str, str]
    kind: Literal["runs", "reference", "published"]


def needed(answer: Answer) -> list[str]:
    """The columns without which the table says nothing."""
    return ["test", *answer.section.criteria, "n"]


def wanted(answer: Answer) -> list[str]:
    """The other columns, those that are wanted most first."""
    return ["place", "parameters", "seconds", "median", *_until(answer), "validation", "state", "tokens/s", "memory"]


def columns(answer: Answer) -> list[str]:
    """All columns, from left to right."""
    test, *criteria, n = needed(answer)
    place, parameters, seconds, median, *rest = wanted(answer)
    return [place, test, *criteria, median, n, parameters, seconds, *rest]


def lines(answer: Answer) -> list[Line]:
    """The experiments from the best to the worst, then the references, then what papers say."""
    told = [Line(row.label, _cells(answer, row), "runs") for row in answer.rows]
    for name, value in answer.references.items():
        mark = " *" * (name == answer.strongest)
        told.append(Line(reference(name) + mark, {"test": f"{value:.4g}"}, "reference"))
    for published in answer.section.published:
        cells = _published(published, answer.metric, answer.section.criteria)
        told.append(Line(published["by"], cells, "published"))
    return told


def reference(name: str) -> str:
    """What a reference is called."""
    return "best possible" if name == FLOOR else name.replace("_", " ")


def _until(answer: Answer) -> list[str]:
    return [] if answer.threshold is None else [f"steps to {answer.threshold:.3g}"]


def _cells(answer: Answer, row: Row) -> dict[str, str]:
    """What stands in each column; nothing in the columns of a result that there is not."""
    group, ended = row.group, row.group.finished
    if not ended:
        return {"n": f"0 of {len(group.records)}"}
    told = {
        **({"place": place(answer.places.get(row.label))} if len(answer.places) > 1 else {}),
        "test": written(row.mean),
        "median": f"{row.median:.4g}",
        **{name: _solved(mean(group.solved_after(name)), len(ended)) for name in group.criteria},
        "n": f"{len(ended)} of {len(group.records)}" if group.unfinished else str(len(ended)),
        "validation": f"{mean(group.scores('val')).value:.4g}",
        "seconds": f"{row.cost('seconds').value:.1f}",
    }
    for name in _until(answer):
        if (reach := row.reach(answer.threshold or 0.0, answer.sign, "steps")).n:
            told[name] = str(reach)
    told |= {name: f"{row.cost(key).value:,.0f}" for name, key in COSTS.items() if row.cost(key).n}
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
    told = {
        **{name: _told(row.get(name), share) for name in criteria},
        "test": f"{row[metric]:.4g}" if metric in row else "",
        "parameters": f"{weights:,}" if weights else "",
    }
    return {name: cell for name, cell in told.items() if cell}


def _told(sequences: int | None, share: float) -> str:
    if sequences is None:
        return "" if share else "none"
    return f"{sequences:,}" if share == 1 else f"{sequences:,} ({share:.0%})"
