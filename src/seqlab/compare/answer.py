"""What a comparison comes to, whoever shows it: rows in their order, pairs, references, and the answer in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from seqlab.compare.across import Scores, interquartile_mean, normalised
from seqlab.compare.curves import Curve, Reach, curve, reach
from seqlab.compare.pairs import Pair, pairs, ranks
from seqlab.compare.sections import Group, Section
from seqlab.compare.statistics import Mean, mean
from seqlab.spec import threshold

FLOOR = "best"
"""The name of the reference that no predictor can beat."""


@dataclass(frozen=True)
class Row:
    """One experiment of a comparison.

    Attributes:
        group: its runs.
        metric: what is compared, as ``test/<name>`` has it.
    """

    group: Group
    metric: str

    @property
    def label(self) -> str:
        """What it is called."""
        return self.group.label

    @cached_property
    def scores(self) -> dict[str, float]:
        """The metric on the test set, by the names of runs; those of the same name are paired."""
        ended, name = self.group.finished, f"test/{self.metric}"
        found = {self.group.name(record): record.summary["test"].get(name) for record in ended}
        return {run: score for run, score in found.items() if score is not None and not math.isnan(score)}

    @cached_property
    def mean(self) -> Mean:
        """Over its seeds."""
        return mean(list(self.scores.values()))

    @property
    def median(self) -> float:
        """Over its seeds; NaN without any."""
        return median(self.scores.values()) if self.scores else math.nan

    @cached_property
    def curves(self) -> list[Curve]:
        """How the metric went on the validation set, for each run that was validated, finished or not."""
        found = [curve(record, self.metric) for record in self.group.records]
        return [each for each in found if each.values]

    def reach(self, threshold: float, sign: int, axis: str) -> Reach:
        """When its finished runs first reached a threshold on the validation set."""
        return reach([each for each in self.curves if each.ended], threshold, sign, axis)

    def cost(self, name: str) -> Mean:
        """What its runs took of something that the summary tells, such as ``seconds``."""
        told = [record.summary.get(name) for record in self.group.finished]
        return mean([value for value in told if value is not None])


@dataclass(frozen=True)
class Answer:
    """A comparison of the experiments of one section.

    Attributes:
        section: what is compared.
        metric: by which measure; the main one unless another is asked for.
        goal: ``min`` or ``max``.
        unit: of the measure.
        asked: the threshold that a person asked for.
    """

    section: Section
    metric: str
    goal: str
    unit: str
    asked: float | None = None

    @property
    def sign(self) -> int:
        """1 where less is better, -1 where more is."""
        return 1 if self.goal == "min" else -1

    @cached_property
    def rows(self) -> list[Row]:
        """The best mean first; what has no result last."""
        rows = [Row(group, self.metric) for group in self.section.groups]
        return sorted(rows, key=lambda row: self.sign * row.mean.value if row.scores else math.inf)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every two experiments that have a result, by their labels."""
        return pairs({row.label: row.scores for row in self.rows}, self.sign)

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """The best and the worst place of each experiment that has a result."""
        return ranks([row.label for row in self.rows if row.scores], self.pairs)

    @cached_property
    def references(self) -> Mapping[str, float]:
        """What predictors score that need no training, where this is the measure that they are known for."""
        main = self.section.measure
        return self.section.references if main and main["name"] == self.metric else {}

    @property
    def strongest(self) -> str | None:
        """The best of the references that need no training and that a model can beat."""
        naive = [name for name in self.references if name != FLOOR]
        return min(naive, key=lambda name: self.sign * self.references[name], default=None)

    @cached_property
    def threshold(self) -> float | None:
        """What runs are timed by: what was asked for, or where the task is solved, or the strongest reference."""
        if self.asked is not None:
            return self.asked
        solved = threshold(self.references)
        return self.references[self.strongest] if solved is None and self.strongest else solved

    @property
    def title(self) -> str:
        """What is compared, and which way is better."""
        if not self.section.finished:
            return f"{self.section.data}: no result yet"
        better = "lower" if self.goal == "min" else "higher"
        name = self.metric.replace("_", " ")
        return f"{self.section.data}: {', '.join(filter(None, [name, self.unit, f'{better} is better']))}"

    @cached_property
    def words(self) -> list[str]:
        """The answer in a sentence or two; none where there is nothing to compare."""
        ranked = [row.label for row in self.rows if row.scores]
        if len(ranked) < 2:
            return []
        first, *others = ranked
        beaten = [pair for pair in self.pairs if pair.better == first and pair.decided]
        lost = [pair.worse for pair in beaten]
        rest = [name for name in others if name not in lost]
        if not beaten:
            told = f"Nothing is shown to be best: {first} has the best mean, and is not surely better than any other."
        else:
            p = f"p ≤ {_rounded_up(max(pair.p for pair in beaten))}"
            told = f"{first} is surely better than {_listed(lost)} ({p})"
            told += f", and not surely than {_listed(rest)}." if rest else "."
        of_the_first = [pair for pair in self.pairs if first in (pair.better, pair.worse)]
        return [told, *_open(of_the_first if rest else self.pairs)]


def answer(section: Section, metric: str | None = None, asked: float | None = None) -> Answer:
    """The comparison of a section by its main metric or another, with the threshold that was asked for."""
    main: Mapping[str, Any] = section.measure or {"name": "score", "goal": "min", "unit": ""}
    if metric in (None, main["name"]):
        return Answer(section, main["name"], main["goal"], main["unit"], asked)
    return Answer(section, str(metric), "max" if str(metric).endswith(LARGER_IS_BETTER) else "min", "", asked)


def across(answers: Sequence[Answer]) -> dict[str, list[list[float]]]:
    """The normalised scores of the experiments that all tasks have, by label; for each task those of its seeds.

    A task counts where it is known what chance and the best possible score. Empty where there are not two tasks.
    """
    tasks = [each for each in answers if {"chance", "best"} <= each.references.keys()]
    if len(tasks) < 2:
        return {}
    rows = [{row.label: row for row in task.rows if row.scores} for task in tasks]
    shared = [label for label in rows[0] if all(label in task for task in rows)]
    return {
        label: [
            [
                normalised(score, task.references["chance"], task.references["best"])
                for score in by[label].scores.values()
            ]
            for task, by in zip(tasks, rows, strict=True)
        ]
        for label in shared
    }


PACKED = "Seconds and memory of runs made in a pack, and so their tokens/s, include the others'."
"""What their costs tell."""
LISTED = 6
"""Experiments that a sentence names."""
LARGER_IS_BETTER = ("accuracy", "exact_match")
"""How measures end of which more is better, beside those that some data are known for."""


def test_reads(answers: Sequence[Answer]) -> tuple[int, int]:
    """How often a test set was read, and for how many runs."""
    told = [record.summary.get("test_reads", 1) for each in answers for record in each.section.finished]
    return sum(told), len(told)


def packed(answers: Sequence[Answer]) -> bool:
    """Whether any of the runs were made in a pack."""
    return any("packed" in record.summary for each in answers for record in each.section.finished)


def across_words(shared: Mapping[str, Scores]) -> list[str]:
    """What experiments are worth on all tasks together, in a sentence or two."""
    means = {label: interquartile_mean(scores) for label, scores in shared.items()}
    first, *others = sorted(means, key=lambda label: -means[label].value)
    best, tasks = means[first], len(shared[first])
    scored = f"{best.value:.3f} (interquartile mean, {best.low:.3f} to {best.high:.3f})"
    told = [f"Over {tasks} tasks {first} scores {scored}, where 0 is chance and 1 the best possible."]
    beaten = [label for label in others if means[label].high < best.low]
    rest = [label for label in others if label not in beaten]
    words = [
        f"{words} {_listed(names)}"
        for words, names in (("above that of", beaten), ("not above that of", rest))
        if names
    ]
    return [*told, f"Its interval lies {', and '.join(words)}."] if others else told


def _open(compared: Sequence[Pair]) -> list[str]:
    """About what it would take to decide the pair that needs the fewest seeds, of those that are not decided."""
    known = [pair for pair in compared if pair.more and not pair.decided]
    if not known:
        return []
    pair = min(known, key=lambda pair: pair.more or math.inf)
    seeds = "one more seed" if pair.more == 1 else f"{pair.more} more seeds"
    return [f"About {seeds} would tell {pair.better} from {pair.worse}, if means and spreads stay as they are."]


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``, or as many as one reads, and how many more."""
    if len(names) > LISTED + 1:
        names = [*names[:LISTED], f"{len(names) - LISTED} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _rounded_up(p: float) -> str:
    """One digit that is not below p."""
    if p < 1e-4:
        return "0.0001"
    digit = 10 ** math.floor(math.log10(p))
    return f"{math.ceil(p / digit - 1e-9) * digit:.4g}"
