"""What a comparison comes to, in words and numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from folders import answers, put, validated
from seqlab.compare.answer import Answer, across, across_words
from seqlab.compare.answer import test_reads as reads

HIGHER = {"metric": {"name": "accuracy", "goal": "max", "unit": ""}, "references": {"chance": 0.1, "best": 1.0}}


def compared(root: Path, scores: dict[str, list[float]], **more: Any) -> Answer:
    """The one comparison of some cells, whose seeds are counted from 1."""
    for cell, by_seed in scores.items():
        for seed, score in enumerate(by_seed, 1):
            put(root, cell, seed, score, **more)
    (found,) = answers(root)
    return found


def test_one_experiment_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    """So there are no words; and none where the others have no result."""
    put(tmp_path, "gru", 1, None, "failed")
    found = compared(tmp_path, {"lstm": [0.1, 0.2]})
    assert found.words == []
    assert [row.label for row in found.rows] == ["lstm", "gru"]


def test_what_the_seeds_decide_is_said_with_its_level(tmp_path: Path) -> None:
    """Paired, corrected, and rounded up: never a smaller p than there is."""
    found = compared(tmp_path, {"lstm": [0.01, 0.02, 0.03, 0.04], "gru": [0.11, 0.121, 0.13, 0.141]})
    (pair,) = found.pairs
    assert found.words == ["lstm is surely better than gru (p ≤ 0.0001)."]
    assert pair.p <= 0.0001
    assert found.places == {"lstm": (1, 1), "gru": (2, 2)}


def test_a_level_is_one_digit_that_is_not_below_p(tmp_path: Path) -> None:
    """A p of 0.0213 is told as 0.03."""
    found = compared(tmp_path, {"lstm": [0.1, 0.1, 0.1], "gru": [0.2, 0.24, 0.3]})
    (pair,) = found.pairs
    digit = float(found.words[0].rpartition("p ≤ ")[2].rstrip(").").rstrip())
    assert pair.p <= digit < 2 * pair.p
    assert f"{digit:g}".strip("0.") in set("123456789")


def test_what_is_not_decided_is_not_said_to_be_best(tmp_path: Path) -> None:
    """But about how many more seeds it would take."""
    found = compared(tmp_path, {"lstm": [0.1, 0.2, 0.3], "gru": [0.12, 0.25, 0.29]})
    (pair,) = found.pairs
    assert (
        found.words[0]
        == "Nothing is shown to be best: lstm has the best mean, and is not surely better than any other."
    )
    assert found.words[1].startswith(f"About {pair.more} more seeds would tell lstm from gru")
    assert found.places == {"lstm": (1, 2), "gru": (1, 2)}


def test_where_some_are_beaten_the_others_are_named(tmp_path: Path) -> None:
    """So that nobody takes the first for the best of all."""
    scores = {"lstm": [0.10, 0.12, 0.14, 0.11], "gru": [0.11, 0.12, 0.13, 0.125], "rnn": [0.60, 0.62, 0.64, 0.611]}
    found = compared(tmp_path, scores)
    assert found.words[0].startswith("lstm is surely better than rnn (p ≤ ")
    assert found.words[0].endswith("), and not surely than gru.")
    assert " would tell lstm from gru," in found.words[1]


def test_more_may_be_better(tmp_path: Path) -> None:
    """By the goal of the main metric, and by name for others; a measure that is not known is better when lower."""
    for cell, score in (("lstm", 0.9), ("gru", 0.5)):
        told = {"test": {"test/accuracy": score, "test/exact_match": score / 2, "test/loss": score}, "best": {}}
        put(tmp_path, cell, 1, 0.0, told=HIGHER | told)
    (main,), (exact,), (loss,) = (answers(tmp_path, metric) for metric in (None, "exact_match", "loss"))
    assert [row.label for row in main.rows] == ["lstm", "gru"]
    assert [row.label for row in exact.rows] == ["lstm", "gru"]
    assert [row.mean.value for row in exact.rows] == [0.45, 0.25]
    assert [row.label for row in loss.rows] == ["gru", "lstm"]
    assert main.references == {"chance": 0.1, "best": 1.0}
    assert exact.references == {}


def test_the_threshold_is_what_was_asked_for(tmp_path: Path) -> None:
    """Else where the task is solved: 99 % of the way from chance to the best possible."""
    put(tmp_path, "lstm", 1, 0.1)
    assert answers(tmp_path, asked=0.07)[0].threshold == 0.07
    assert answers(tmp_path, asked=0.0)[0].threshold == 0.0
    assert answers(tmp_path)[0].threshold == pytest.approx(0.01 / 6)


@pytest.mark.parametrize(
    ("told", "strongest"),
    [
        ({"references": {"chance": 0.5, "persistence": 0.3, "mean": 0.4}}, "persistence"),
        ({**HIGHER, "references": {"chance": 0.5, "majority": 0.6}}, "majority"),
        ({"references": {"best": 0.1}}, None),
        ({"references": {}}, None),
    ],
)
def test_where_it_is_not_known_what_is_best_it_is_the_strongest_reference(
    tmp_path: Path, told: dict[str, Any], strongest: str | None
) -> None:
    """Of those that a model can beat; and where there is none, runs are not timed."""
    put(tmp_path, "lstm", 1, 0.1, told=told)
    (found,) = answers(tmp_path)
    assert found.strongest == strongest
    assert found.threshold == (told["references"][strongest] if strongest else None)


def test_runs_are_timed_by_the_threshold(tmp_path: Path) -> None:
    """On validation, in the direction of the goal."""
    for seed, at in ((1, 200), (2, 300), (3, 900)):
        validated(put(tmp_path, "lstm", seed, 0.1), {100: 0.16, at: 0.001, 1000: 0.01})
    (found,) = answers(tmp_path)
    assert str(found.rows[0].reach(found.threshold or 0.0, found.sign, "steps")) == "300"
    assert str(found.rows[0].reach(found.threshold or 0.0, found.sign, "tokens")) == "3,000"
    assert str(found.rows[0].reach(0.0001, found.sign, "steps")) == "> 1,000 (0/3)"


def test_a_score_that_is_no_number_is_not_averaged(tmp_path: Path) -> None:
    """The run is still one of the group."""
    found = compared(tmp_path, {"lstm": [0.1, math.nan]})
    assert (found.rows[0].mean.n, found.rows[0].median, len(found.rows[0].group.records)) == (1, 0.1, 2)


def tasks(root: Path, scores: dict[str, tuple[float, float]], seeds: int = 3) -> list[Answer]:
    """Two tasks, chance 1 on both; the second is better when higher."""
    for cell, (first, second) in scores.items():
        for seed in range(1, seeds + 1):
            small = 0.001 * seed
            put(root, cell, seed, first + small, told={"references": {"chance": 1.0, "best": 0.0}})
            told = {**HIGHER, "references": {"chance": 0.0, "best": 1.0}, "best": {}}
            put(root, cell, seed, 0.0, told=told | {"test": {"test/accuracy": second - small}}, data_set="copy")
    return answers(root)


def test_across_tasks_scores_are_normalised_and_shared(tmp_path: Path) -> None:
    """0 at chance and 1 at the best possible, whichever way is better; a cell that one task lacks is left out."""
    put(tmp_path, "rnn", 1, 0.5, told={"references": {"chance": 1.0, "best": 0.0}})
    found = across(tasks(tmp_path, {"lstm": (0.1, 0.9), "gru": (0.4, 0.6)}))
    assert sorted(found) == ["gru", "lstm"]
    assert found["lstm"] == [pytest.approx([0.899, 0.898, 0.897])] * 2
    assert across(answers(tmp_path)[:1]) == {}


def test_a_task_whose_best_is_not_known_is_not_among_them(tmp_path: Path) -> None:
    """Since its scores have no scale."""
    put(tmp_path, "lstm", 1, 0.1, told={"references": {"chance": 1.0}})
    put(tmp_path, "lstm", 1, 0.1, data_set="copy")
    assert across(answers(tmp_path)) == {}


def test_across_words_rank_only_what_intervals_separate(tmp_path: Path) -> None:
    """The first with its interval, whom it is above, and whom not."""
    wide = [0.2, 0.95]
    shared = {"lstm": [[0.9, 0.91], [0.9, 0.92]], "gru": [[0.3, 0.31], [0.3, 0.32]], "rnn": [wide, wide]}
    first, second = across_words(shared)
    assert first.startswith("Over 2 tasks lstm scores 0.905 (interquartile mean, 0.9")
    assert second == "Its interval lies above that of gru, and not above that of rnn."
    assert len(across_words({"lstm": shared["lstm"]})) == 1


def test_how_often_the_test_set_was_read_is_added_up(tmp_path: Path) -> None:
    """Of finished runs; one that does not say so read it once."""
    put(tmp_path, "lstm", 1, 0.1, told={"test_reads": 3})
    put(tmp_path, "lstm", 2, 0.1)
    put(tmp_path, "lstm", 3, None, "failed", told={"test_reads": 9})
    assert reads(answers(tmp_path)) == (4, 2)


def test_a_sentence_names_as_many_as_one_reads(tmp_path: Path) -> None:
    """And says how many others there are."""
    for cell in "abcdefghi":
        for seed in (1, 2, 3):
            put(tmp_path, cell, seed, (1.0 if cell == "a" else 2.0) + seed / 1e6)
    (told,) = answers(tmp_path)
    assert "a is surely better than b, c, d, e, f, g and 2 others (p" in told.words[0]


@pytest.mark.parametrize(
    ("metric", "goal"),
    [("token_accuracy", "max"), ("directional_accuracy", "max"), ("exact_match", "max"), ("loss", "min")],
)
def test_which_way_another_measure_is_better(tmp_path: Path, metric: str, goal: str) -> None:
    """All kinds of accuracy are better the larger they are."""
    put(tmp_path, "lstm", 1, 0.5)
    (told,) = answers(tmp_path, metric)
    assert told.goal == goal


def test_how_often_the_test_set_was_read_is_told(seqlab: Command, tmp_path: Path) -> None:
    """Once per run, unless some was read again."""
    for seed, times in ((1, 1), (2, 3)):
        put(tmp_path / "runs", "lstm", seed, 0.5, told={"test_reads": times})
    assert "test was read 4 times for 2 runs." in " ".join(seqlab("compare", "runs").out.split())
