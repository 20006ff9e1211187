"""The comparison as one page that opens from disk: the answer, tables, figures, samples, causes, and where it ran."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from shlex import quote
from typing import Any

from seqlab import lines, terminal
from seqlab.compare import columns, horizon_view
from seqlab.compare.across import improvement, interquartile_mean
from seqlab.compare.answer import PACKED, Answer, across, across_words, packed
from seqlab.compare.curves import AXES
from seqlab.compare.horizon import Horizon
from seqlab.compare.pictures import Picture, pictures, profiled
from seqlab.compare.read import Record
from seqlab.compare.statistics import mean
from seqlab.compare.table import reads
from seqlab.figures.page import Drawn, rendered
from seqlab.ledger import NAMES

SHOWN, LENGTHS = 3, 8
"""Samples of each experiment, and lengths of test sequences."""


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        caption: what it is.
        columns: their names; the first cell of each row names the row.
        rows: texts.
        kinds: of each row, where they differ.
        prose: whether its cells are texts to be read, and not numbers.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    kinds: Sequence[str] = ()
    prose: bool = False


@dataclass(frozen=True)
class Part:
    """A part of the page.

    Attributes:
        title: what it is about.
        words: sentences.
        tables: below them.
        figures: below these.
        more: tables that a reader opens.
        quoted: texts that a reader opens, each with its name.
    """

    title: str
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Picture] = ()
    more: Sequence[Table] = ()
    quoted: Sequence[tuple[str, str]] = ()


def report(answers: Sequence[Answer], horizons: Sequence[Horizon]) -> str:
    """The page.

    Args:
        answers: the comparisons.
        horizons: of the runs that were made to find horizons.
    """
    records = [record for each in answers for group in each.section.groups for record in group.records]
    records += [record for horizon in horizons for record in (*horizon.trials, *horizon.lost)]
    parts = [
        *_together(answers),
        *map(_comparison, answers),
        *_horizons(horizons),
        *_lost(records),
        _provenance(records),
    ]
    answer, facts = _answer(answers), _facts(answers, records)
    return rendered("report.html", title=_title(answers, horizons), answer=answer, facts=facts, parts=parts)


def _title(answers: Sequence[Answer], horizons: Sequence[Horizon]) -> str:
    cells = {row.group.cell for answer in answers for row in answer.rows} | {each.cell for each in horizons}
    tasks = {answer.section.data for answer in answers} | {each.data for each in horizons}
    return f"{terminal.count(len(cells), 'cell')} on {terminal.count(len(tasks), 'task')}"


def _answer(answers: Sequence[Answer]) -> list[str]:
    """In two sentences where that can be; else the first sentence of each comparison."""
    if shared := across(answers):
        return across_words(shared)
    if len(answers) == 1:
        return answers[0].words
    return [f"{each.section.data}: {each.words[0]}" for each in answers if each.words]


def _facts(answers: Sequence[Answer], records: Sequence[Record]) -> str:
    states = Counter(record.status.state for record in records)
    told = f"{terminal.count(len(records), 'run')}: {', '.join(f'{n:,} {state}' for state, n in states.most_common())}."
    return (
        f"{told} Means over seeds with 95 % t-intervals; checkpoints were chosen on validation, and test was read "
        f"{reads(answers)}. Places by paired t-tests, corrected after Holm: a range where they do not decide. "
        f"* is the best reference that needs no training.{f' {PACKED}' * packed(answers)}"
    )


def _together(answers: Sequence[Answer]) -> list[Part]:
    """What is worth what over all tasks, where there are several."""
    shared = across(answers)
    if not shared:
        return []
    means = {label: interquartile_mean(tasks) for label, tasks in shared.items()}
    rows = []
    for label, told in sorted(means.items(), key=lambda item: -item[1].value):
        wins = {other: improvement(shared[label], shared[other]) for other in shared if other != label}
        beats = "; ".join(f"{other} {100 * share:.0f} %" for other, share in wins.items())
        rows.append([label, f"{told.value:.3f}", f"{told.low:.3f} to {told.high:.3f}", beats])
    caption = "Interquartile mean of scores that are 0 at chance and 1 at the best possible"
    table = Table(caption, ["cell", "score", "95 % interval", "beats a run of"], rows)
    cells = {row.label: row.group.cell for each in answers for row in each.rows}
    return [Part("All tasks together", tables=[table], figures=[profiled(shared, cells)])]


def _comparison(answer: Answer) -> Part:
    told = columns.lines(answer)
    names = [name for name in columns.columns(answer) if any(name in line.cells for line in told)]
    rows = [[line.label, *(line.cells.get(name, "") for name in names)] for line in told]
    main = Table(answer.title, ["cell", *names], rows, [line.kind for line in told])
    return Part(
        answer.section.data,
        words=answer.words,
        tables=[main, *_until(answer), *_by_length(answer)],
        figures=list(pictures(answer)),
        more=[*_samples(answer), *_pairs(answer), _differences(answer)],
        quoted=[("Commands that make these runs", _commands(answer))],
    )


def _until(answer: Answer) -> list[Table]:
    """When runs reached the threshold, by all that is counted."""
    if answer.threshold is None:
        return []
    rows = []
    for row in answer.rows:
        reached = [row.reach(answer.threshold, answer.sign, axis) for axis in AXES]
        if any(reach.n for reach in reached):
            rows.append([row.label, *map(str, reached)])
    caption = f"Until validation was at {answer.threshold:.3g}: Kaplan–Meier median (k/n: k of n seeds ever were)"
    return [Table(caption, ["cell", *AXES], rows)] if rows else []


def _by_length(answer: Answer) -> list[Table]:
    lengths = answer.section.lengths
    if not lengths:
        return []
    shown = list(dict.fromkeys(lengths[round(i * (len(lengths) - 1) / (LENGTHS - 1))] for i in range(LENGTHS)))
    rows = [
        [row.label, *(f"{mean(row.group.scores_at([length])).value:.4g}" for length in shown)]
        for row in answer.rows
        if row.group.finished
    ]
    return [Table("By length of the test sequences", ["cell", *shown], rows)]


def _samples(answer: Answer) -> list[Table]:
    """What the first seed of each experiment last said; nobody chose it."""
    told: dict[str, list[dict[str, Any]]] = {}
    for row in answer.rows:
        for record in row.group.finished[:1]:
            said = lines.read(record.run.folder / NAMES["samples"])
            last = [line for line in said if line["step"] == said[-1]["step"]]
            told[f"{row.label}, {row.group.name(record)}"] = last[:SHOWN]
    names = list(dict.fromkeys(name for said in told.values() for line in said for name in line if name != "step"))
    rows = [[label, *(str(line.get(name, "")) for name in names)] for label, said in told.items() for line in said]
    caption = "What they say of the first validation sequences"
    return [Table(caption, ["cell", *names], rows, prose=True)] if rows else []


def _pairs(answer: Answer) -> list[Table]:
    rows = [
        [
            f"{pair.better} against {pair.worse}",
            f"{pair.difference:.3g}",
            _number(pair.p, ".2g"),
            "yes" if pair.decided else "no",
            _number(pair.effect, ".2f"),
            f"{100 * pair.wins:.0f} %",
            str(pair.n or "unpaired"),
            "-" if pair.more is None else str(pair.more),
        ]
        for pair in answer.pairs
    ]
    names = ["pair", "difference", "p (Holm)", "decided", "effect d", "wins", "pairs", "more seeds, about"]
    return [Table("Every pair: tests, effects, and what it would take", names, rows)] if rows else []


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _differences(answer: Answer) -> Table:
    experiments = [(row.label, members[0]) for row in answer.rows for members in row.group.experiments]
    flat = [{**first.facts, "hidden_size": first.summary.get("hidden_size", "")} for _, first in experiments]
    keys = [key for key in dict.fromkeys(chain.from_iterable(flat)) if not key.endswith("_target_")]
    keys = [key for key in keys if key not in ("cell", "seed")]
    varying = [key for key in keys if len({str(config.get(key, "")) for config in flat}) > 1]
    told = zip(experiments, flat, strict=True)
    rows = [[label, *(str(config.get(key, "")) for key in varying)] for (label, _), config in told]
    return Table("Configuration: every key in which they differ", ["cell", *varying], rows, prose=True)


def _commands(answer: Answer) -> str:
    told = []
    for members in (members for row in answer.rows for members in row.group.experiments):
        seeds = ",".join(str(record.seed) for record in members)
        words = [quote(word) for word in members[0].run.overrides if not word.startswith("seed=")]
        told.append(" ".join(["seqlab train -m", *words, f"seed={seeds}"]))
    return "\n".join(told)


def _horizons(horizons: Sequence[Horizon]) -> list[Part]:
    drawn = horizon_view.figures(horizons)
    names = ["cell", *horizon_view.COLUMNS]
    return [
        Part(
            f"{data}: how far back",
            tables=[Table("Horizon: lag in steps, longer is better", names, horizon_view.rows(horizons, data))],
            figures=[("Who solves which lag", Drawn(figure, f"Share of seeds by lag: {data}"), horizon_view.ABOUT)],
        )
        for data, figure in drawn.items()
    ]


def _lost(records: Sequence[Record]) -> list[Part]:
    lost = [record for record in records if not record.finished]
    if not lost:
        return []
    rows = [[record.run.id, record.status.state, record.status.cause] for record in lost]
    quoted = [(f"Traceback of {r.run.id}", r.summary["traceback"]) for r in lost if r.summary.get("traceback")]
    table = Table(terminal.count(len(lost), "run"), ["run", "state", "cause"], rows, prose=True)
    return [Part("Without a result", tables=[table], quoted=quoted)]


def _provenance(records: Sequence[Record]) -> Part:
    """Where, when and on what the runs were made: each fact with the number of runs that it holds of."""
    facts: dict[str, Counter[str]] = {}
    for summary in (record.summary for record in records if record.finished):
        for name, value in _origin(summary).items():
            facts.setdefault(name, Counter())[str(value)] += 1
    rows = [[name, "; ".join(f"{value} ({n:,})" for value, n in sorted(of.items()))] for name, of in facts.items()]
    table = Table("Each fact with the number of runs", ["fact", "value (runs)"], rows, prose=True)
    return Part("Environment and data", tables=[table])


def _origin(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "commit": summary.get("commit"),
        "day": str(summary.get("ended"))[:10],
        **summary.get("environment", {}),
        f"fingerprint of {summary.get('data')}": summary.get("fingerprint"),
    }
