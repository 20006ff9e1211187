"""The figures of a comparison: what its numbers are."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from folders import answers, put, validated
from seqlab.compare.pictures import pictures, profiled


def drawn(root: Path, name: str) -> Any:
    """What a figure of that name is made of; ``None`` where there is none."""
    (found,) = answers(root)
    return next((json.loads(figure.json) for title, figure, _ in pictures(found) if title == name), None)


def mean_of(figure: Any) -> Any:
    """The curve of the mean."""
    return next(trace for trace in figure["data"] if trace["mode"] == "lines+markers")


def test_means_are_drawn_where_all_seeds_were_validated(tmp_path: Path) -> None:
    """And nowhere else: a mean over fewer would jump where one ends. Tokens and seconds are means, too."""
    validated(put(tmp_path, "lstm", 1, 0.1), {100: 0.5, 200: 0.4, 300: 0.3})
    validated(put(tmp_path, "lstm", 2, 0.1), {100: 0.7, 150: 0.1, 300: 0.5, 400: 0.1})
    figure = drawn(tmp_path, "Learning curves")
    assert (mean_of(figure)["x"], mean_of(figure)["y"]) == ([100, 300], [0.6, 0.4])
    axes = figure["layout"]["meta"]["axes"]
    assert list(axes) == ["steps", "tokens", "seconds"]
    assert axes["seconds"][figure["data"].index(mean_of(figure))] == [50, 150]


def test_the_band_is_students_interval(tmp_path: Path) -> None:
    """Forth along its lower end and back along the upper one."""
    for seed, value in ((1, 0.4), (2, 0.5), (3, 0.6)):
        validated(put(tmp_path, "lstm", seed, 0.1), {100: value, 200: 0.3})
    (band,) = [trace for trace in drawn(tmp_path, "Learning curves")["data"] if trace.get("fill") == "toself"]
    half = 4.302652729911275 * 0.1 / math.sqrt(3)
    assert band["x"] == [100, 200, 200, 100]
    assert band["y"] == pytest.approx([0.5 - half, 0.3, 0.3, 0.5 + half], abs=1e-3)


def test_a_single_seed_has_no_band(tmp_path: Path) -> None:
    """It says nothing of the spread; what was no number is a gap, and the page's JSON has no NaN."""
    validated(put(tmp_path, "lstm", 1, 0.1), {100: 0.5, 200: math.nan, 300: 0.3})
    figure = drawn(tmp_path, "Learning curves")
    assert not [trace for trace in figure["data"] if trace.get("fill") == "toself"]
    assert mean_of(figure)["y"] == [0.5, None, 0.3]


def test_seeds_that_were_never_validated_together_have_no_mean(tmp_path: Path) -> None:
    """But each its own curve."""
    validated(put(tmp_path, "lstm", 1, 0.1), {100: 0.5})
    validated(put(tmp_path, "lstm", 2, 0.1), {200: 0.5})
    figure = drawn(tmp_path, "Learning curves")
    assert mean_of(figure)["y"] == []
    (seeds,) = [trace for trace in figure["data"] if trace.get("meta") == "seed"]
    assert seeds["y"] == [0.5, None, 0.5]


def test_an_axis_that_one_experiment_lacks_cannot_be_chosen(tmp_path: Path) -> None:
    """As of runs from before tokens and seconds were told."""
    validated(put(tmp_path, "lstm", 1, 0.1), {100: 0.5})
    validated(put(tmp_path, "gru", 1, 0.1), {100: 0.5}, costs=False)
    assert "meta" not in drawn(tmp_path, "Learning curves")["layout"]


def test_every_score_is_a_dot_and_each_mean_a_line(tmp_path: Path) -> None:
    """With the run's name and the interval; what has no result is not drawn."""
    for seed, score in ((1, 0.1), (2, 0.2), (3, 0.3)):
        put(tmp_path, "lstm", seed, score)
    put(tmp_path, "gru", 1, None, "failed")
    dots, mean = drawn(tmp_path, "Scores on test")["data"]
    assert (dots["x"], dots["text"]) == ([0.1, 0.2, 0.3], ["seed 1", "seed 2", "seed 3"])
    assert mean["x"] == pytest.approx([0.2])
    assert mean["error_x"]["array"] == pytest.approx([4.302652729911275 * 0.1 / math.sqrt(3)])
    assert set(dots["y"] + mean["y"]) == {"lstm"}


def test_quality_is_drawn_against_the_costs_that_all_tell(tmp_path: Path) -> None:
    """Here not memory, which one of them does not know."""
    put(tmp_path, "lstm", 1, 0.1, told={"peak_memory": 1e9})
    put(tmp_path, "gru", 1, 0.2)
    figure = drawn(tmp_path, "Quality against cost")
    assert list(figure["layout"]["meta"]["axes"]) == ["parameters", "numbers of state", "training seconds"]
    assert [trace["x"] for trace in figure["data"]] == [[17473], [17473]]


def test_without_a_result_there_are_no_pictures(tmp_path: Path) -> None:
    """Nor an error."""
    put(tmp_path, "gru", 1, None, "failed")
    assert list(pictures(answers(tmp_path)[0])) == []


def test_a_profile_is_the_share_of_runs_above_each_threshold() -> None:
    """From 0 to 1 by fiftieths."""
    _, figure, _ = profiled({"lstm": [[0.1, 0.5], [0.5, 0.9]]}, {"lstm": "lstm"})
    area, curve = json.loads(figure.json)["data"]
    shares = dict(zip(curve["x"], curve["y"], strict=True))
    assert (len(shares), shares[0.0], shares[0.1], shares[0.48], shares[0.5], shares[1.0]) == (
        51,
        1,
        0.75,
        0.75,
        0.25,
        0,
    )
    assert len(area["x"]) == 102
