"""The comparison as files: runs as CSV, tables as Markdown, everything as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from seqlab.compare.across import interquartile_mean
from seqlab.compare.answer import Answer, across
from seqlab.compare.columns import columns, lines
from seqlab.compare.read import Record

COSTS = ("hidden_size", "parameters", "state_size", "seconds", "tokens_per_second", "peak_memory", "steps", "sequences")
"""What a summary tells of what a run took."""


def as_csv(answers: Sequence[Answer]) -> str:
    """One line per run, finished or not: what it is, its scores, and what it took."""
    rows = [
        {"data": each.section.data, "cell": row.group.cell, **row.group.varied, **_run(record)}
        for each in answers
        for row in each.rows
        for record in row.group.records
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(answers: Sequence[Answer]) -> str:
    """A table for each comparison, with its references, and its words."""
    return "\n\n".join("\n".join([f"## {each.title}", "", *_table(each), "", *each.words]) for each in answers) + "\n"


def _table(answer: Answer) -> list[str]:
    told = lines(answer)
    names = [name for name in columns(answer) if any(name in line.cells for line in told)]
    rows = [["cell", *names], ["---", *("---:" for _ in names)]]
    for line in told:
        label = line.label if line.kind == "runs" else f"*{line.label}*"
        rows.append([label.replace(" **", "\\**"), *(line.cells.get(name, "") for name in names)])
    return [f"| {' | '.join(row)} |" for row in rows]


def as_json(answers: Sequence[Answer]) -> str:
    """Comparisons with their rows, seeds and pairs, and what they come to across tasks."""
    shared = across(answers)
    told = {
        "comparisons": [_comparison(each) for each in answers],
        "across": {label: asdict(interquartile_mean(scores)) for label, scores in shared.items()},
    }
    return json.dumps(_finite(told), indent=2, ensure_ascii=False) + "\n"


FORMS = {"csv": as_csv, "markdown": as_markdown, "json": as_json}
"""By name, what a comparison is written as."""


def _comparison(each: Answer) -> dict[str, Any]:
    return {
        "data": each.section.data,
        "metric": each.metric,
        "goal": each.goal,
        "unit": each.unit,
        "references": dict(each.references),
        "published": [dict(row) for row in each.section.published],
        "answer": each.words,
        "rows": [
            {
                "label": row.label,
                "cell": row.group.cell,
                "varied": dict(row.group.varied),
                "place": each.places.get(row.label),
                "mean": row.mean.value,
                "half_width": row.mean.half_width,
                "median": row.median,
                "n": len(row.scores),
                "runs": [_run(record) for record in row.group.records],
            }
            for row in each.rows
        ],
        "pairs": [{**asdict(pair), "decided": pair.decided} for pair in each.pairs],
    }


def _run(record: Record) -> dict[str, Any]:
    """One run: its names, how it ended, its scores, and what it took."""
    summary = record.summary
    scores: Mapping[str, float] = {**summary.get("best", {}), **summary.get("test", {})} if record.finished else {}
    return {
        "id": record.run.id,
        "seed": record.seed,
        "status": record.status.state,
        "cause": "" if record.finished else record.status.cause,
        **scores,
        **{name: summary[name] for name in COSTS if name in summary},
    }


def _finite(value: Any) -> Any:
    """What is no number is null, since JSON has no word for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
