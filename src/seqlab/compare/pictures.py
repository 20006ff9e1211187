"""The figures of a comparison: what its numbers are, as those who draw them want them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np
from markupsafe import Markup

from seqlab.compare import flow
from seqlab.compare.across import Scores, profile
from seqlab.compare.answer import Answer, Row
from seqlab.compare.curves import AXES, Curve
from seqlab.compare.statistics import mean
from seqlab.figures import curves, scores
from seqlab.figures import profile as profiles
from seqlab.figures.page import Drawn

COSTS = {
    "parameters": "parameters",
    "numbers of state": "state_size",
    "training seconds": "seconds",
    "tokens per second": "tokens_per_second",
    "peak memory, octets": "peak_memory",
}
"""What quality may be drawn against, by what the summary calls it."""
THRESHOLDS = [round(tau, 2) for tau in np.linspace(0, 1, 51).tolist()]
"""Normalised scores at which profiles are drawn."""

Picture = tuple[str, Drawn, str]
"""A figure with its name, and how it is to be read."""

SCORES = "Open marks: one run each. Lines: their mean and its 95 % t-interval. Dotted: references."
CURVES = "Means over seeds, where all of them were validated, with 95 % t-intervals. Dotted: references."
COST = "Means over seeds with 95 % t-intervals."
PROFILE = """The share of all runs that score above each threshold, with 95 % bootstrap intervals; the further to the
right a curve falls, the better (Agarwal et al. 2021)."""


def pictures(answer: Answer) -> Iterator[Picture]:
    """Scores of all seeds, learning curves, cost, and how far back errors flow: those for which there are numbers."""
    measure = ", ".join(filter(None, [answer.metric.replace("_", " "), answer.unit]))
    papers = {row["by"]: row[answer.metric] for row in answer.section.published if answer.metric in row}
    known = {**answer.references, **papers}
    told = [_scores(row) for row in answer.rows if row.scores]
    named = f"of {', '.join(row.label for row in answer.rows)}"
    if told:
        yield "Scores on test", Drawn(scores.draw(told, measure, known), f"Scores {named}"), SCORES
    if learned := [_curves(row) for row in answer.rows if row.curves]:
        drawn = curves.draw(learned, f"{measure}, on validation", known)
        yield "Learning curves", Drawn(drawn, f"Learning curves {named}"), CURVES
    if told:
        drawn = scores.against_cost(told, measure, known)
        yield "Quality against cost", Drawn(drawn, f"Scores {named} against cost"), COST
    if flows := [found for row in answer.rows if (found := flow.measured(row.group))]:
        yield "How far back errors flow", Drawn(flow.draw(flows), f"Flow of errors {named}"), Markup(flow.ABOUT)


def profiled(shared: Mapping[str, Scores], cells: Mapping[str, str]) -> Picture:
    """The performance profiles of some experiments, whose cells are told by their labels."""
    told = []
    for label, tasks in shared.items():
        shares = [(each.value, each.low, each.high) for each in profile(tasks, THRESHOLDS)]
        told.append(profiles.Profile(label, cells[label], THRESHOLDS, shares))
    return "Performance profile", Drawn(profiles.draw(told), f"Profiles of {', '.join(shared)}"), PROFILE


def _scores(row: Row) -> scores.Scores:
    costs = {name: row.cost(key) for name, key in COSTS.items()}
    told = {name: cost.value for name, cost in costs.items() if cost.n}
    return scores.Scores(row.label, row.group.cell, row.scores, row.mean.value, row.mean.half_width, told)


def _curves(row: Row) -> curves.Curves:
    """Each seed's curve, and their mean at the steps where all of them were validated."""
    shared = _shared(row.curves)
    over = [mean([curve.values[i] for curve, i in zip(row.curves, at, strict=True)]) for at in shared]
    axes = [axis for axis in AXES if all(axis in curve.at for curve in row.curves)]
    where = {
        axis: [fmean(c.at[axis][i] for c, i in zip(row.curves, at, strict=True)) for at in shared] for axis in axes
    }
    spread = [each.half_width if each.n > 1 else 0.0 for each in over]
    values = [each.value for each in over]
    low, high = ([v + sign * s for v, s in zip(values, spread, strict=True)] for sign in (-1, 1))
    seeds = [curves.Line(curve.values, curve.at) for curve in row.curves]
    return curves.Curves(row.label, row.group.cell, seeds, curves.Line(values, where), low, high)


def _shared(learned: Sequence[Curve]) -> list[tuple[int, ...]]:
    """For each step at which all runs were validated, which validation of each that was."""
    where = [{step: i for i, step in enumerate(curve.at["steps"])} for curve in learned]
    return [tuple(at[step] for at in where) for step in where[0] if all(step in at for at in where)]
