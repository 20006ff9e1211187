"""In what experiments differ, by names as short as can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from folders import answers, put
from seqlab.compare.differences import differences, without_seed, written


def config(name: str = "lstm", /, seed: int = 1, options: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"seed": seed, "choices": {"data": "adding", "cell": name, **(options or {})}, **more}


def test_only_keys_that_vary_are_told_by_their_last_part() -> None:
    """And what one lacks is nothing."""
    one = config(optimizer={"lr": 0.1, "momentum": 0.9}, data={"length": 10})
    other = config(optimizer={"lr": 0.2, "momentum": 0.9}, data={"length": 10, "form": "urnn"})
    assert differences([one, other]) == [{"lr": 0.1, "form": None}, {"lr": 0.2, "form": "urnn"}]
    assert differences([one, one]) == [{}, {}]


def test_names_that_end_alike_are_told_in_full() -> None:
    """Otherwise nobody could tell which is which."""
    one, other = config(a={"size": 1}, b={"size": 1}), config(a={"size": 2}, b={"size": 2})
    assert differences([one, other]) == [{"a.size": 1, "b.size": 1}, {"a.size": 2, "b.size": 2}]


def test_another_option_says_it_all() -> None:
    """Its keys are left out; those of groups with the same option are not."""
    one = config(options={"optimizer": "sgd", "logger": "none"}, optimizer={"lr": 0.1}, data={"n": 1})
    other = config(options={"optimizer": "adam", "logger": "wandb"}, optimizer={"lr": 0.2}, data={"n": 2})
    assert differences([one, other]) == [{"optimizer": "sgd", "n": 1}, {"optimizer": "adam", "n": 2}]


def test_a_cells_own_keys_are_held_against_those_of_the_same_cell() -> None:
    """That a GRU has no forget gate is no news; that two LSTMs differ in theirs is."""
    gru = config("gru", cell={"hidden_size": 64})
    lstms = [config("lstm", cell={"hidden_size": 64, "forget_bias": bias}) for bias in (0, 1)]
    assert differences([gru, *lstms]) == [{}, {"forget_bias": 0}, {"forget_bias": 1}]


def test_only_what_is_within_is_told_where_that_is_asked() -> None:
    """As for the data of sections."""
    one, other = config(data={"n": 1}, optimizer={"lr": 1}), config(data={"n": 2}, optimizer={"lr": 2})
    assert differences([one, other], "data.") == [{"n": 1}, {"n": 2}]


def test_a_seed_by_another_name_is_no_difference() -> None:
    """As that of the data, where it follows the run's; one of its own is."""
    assert without_seed(config(seed=3, data={"seed": 3, "n": 3})) == {"data.n": 3}
    assert without_seed(config(seed=3, data={"seed": 0})) == {"data.seed": 0}


@pytest.mark.parametrize(
    ("varied", "label"), [({}, "lstm"), ({"lr": 0.1, "n": None, "skip": False}, "lstm lr=0.1 skip=False")]
)
def test_a_label_tells_what_is_set(varied: dict[str, Any], label: str) -> None:
    """What is not set is not told."""
    assert written("lstm", varied) == label


def test_sections_of_the_same_data_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    """Two lengths are two tables, with the length in their titles and not in the labels of their rows."""
    for length, chance in ((10, 0.2), (20, 0.3)):
        for cell in ("gru", "lstm"):
            told = {"references": {"chance": chance, "best": 0.0}}
            put(tmp_path, cell, 1, 0.1, told=told, data={"length": length, "batch": 5})
    found = answers(tmp_path)
    assert [each.title for each in found] == [
        f"adding length={length}: mse, squared units, lower is better" for length in (10, 20)
    ]
    assert [[row.label for row in each.rows] for each in found] == [["gru", "lstm"]] * 2
