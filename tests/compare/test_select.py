"""Which runs are compared, where a person says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Command
from folders import put
from seqlab.compare.read import read
from seqlab.compare.select import where
from seqlab.errors import ConfigError


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Six runs: two cells, two rates, and a seed that only one of them has."""
    for cell in ("gru", "lstm"):
        put(tmp_path, cell, 1, 0.1, lr=0.001, data={"length": 10, "form": None})
        put(
            tmp_path,
            cell,
            1,
            0.1,
            lr=0.01,
            data={"length": 20, "form": "urnn"},
            model={"bias": True},
            trainer={"precision": "32"},
        )
    put(tmp_path, "gru", 7, 0.1, lr=0.001, data={"length": 10, "form": None})
    put(tmp_path, "lstm", 1, 0.1, lr=0.001, cell_size=1, data={"length": 10, "form": None, "seed": 1})
    return tmp_path


@pytest.mark.parametrize(
    ("conditions", "n"),
    [
        ([], 6),
        (["cell=gru"], 3),
        (["cell=gru,lstm"], 6),
        (["seed=7"], 1),
        (["seed=1"], 5),
        (["optimizer.lr=0.001"], 4),
        (["lr=1e-3"], 4),
        (["lr=1e-3,0.01"], 6),
        (["length=20.0"], 2),
        (["form=null"], 4),
        (["form=urnn"], 2),
        (["bias=true"], 2),
        (["cell=gru", "lr=0.001"], 2),
        (["cell=gru", "lr=0.01", "seed=1"], 1),
        (["data=adding"], 6),
        (["precision=32"], 2),
    ],
)
def test_runs_are_chosen_by_what_they_were_made_with(runs: Path, conditions: list[str], n: int) -> None:
    """By choices, seeds and values; numbers as numbers or as they are written, nothing as null, a key by its last part; all conditions hold."""
    assert len(where(read([runs]), conditions)) == n


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("cell", "--where cell: not of the form KEY=VALUE."),
        ("optimizer.l=1", "optimizer.l: none of these runs has such a key. Did you mean optimizer.lr?"),
        ("size=1", "size: may be data.size or model.size. Write it in full."),
        ("cell=rnn", "--where cell=rnn: none of 2 runs. See 'seqlab status'."),
        ("lr=0.1", "--where lr=0.1: none of 2 runs."),
    ],
)
def test_a_condition_that_says_nothing_is_refused(tmp_path: Path, condition: str, said: str) -> None:
    """In one line with what to do; a key that is there in another place is not guessed."""
    for cell in ("gru", "lstm"):
        put(tmp_path, cell, 1, 0.1, lr=0.01, data={"size": 1}, model={"size": 1})
    with pytest.raises(ConfigError) as refused:
        where(read([tmp_path]), [condition])
    assert str(refused.value).startswith(said)


def test_a_run_that_lacks_a_key_does_not_meet_a_condition_on_it(tmp_path: Path) -> None:
    """Not even on null."""
    put(tmp_path, "gru", 1, 0.1, data={"form": None})
    put(tmp_path, "lstm", 1, 0.1)
    assert [record.config["choices"]["cell"] for record in where(read([tmp_path]), ["form=null"])] == ["gru"]


def test_the_table_has_only_the_runs_that_were_asked_for(seqlab: Command, tmp_path: Path) -> None:
    """And what differs among these alone names its rows."""
    for cell in ("gru", "lstm"):
        for lr in (0.1, 0.2):
            put(tmp_path / "runs", cell, 1, 0.1, lr=lr)
    out = seqlab("compare", "runs", "--where", "cell=gru,lstm", "--where", "lr=0.2").out
    assert "\ngru  " in out
    assert "lr=" not in out
    assert seqlab("compare", "runs", "--where", "lr=7").code == 2


def test_a_measure_that_nobody_made_is_refused(seqlab: Command, tmp_path: Path) -> None:
    """With those that there are."""
    put(tmp_path / "runs", "lstm", 1, 0.5)
    wrong = seqlab("compare", "runs", "--metric", "msee")
    said = "seqlab: --metric msee: not measured on these runs. Did you mean mse? Measured: mse.\n"
    assert (wrong.code, wrong.out, wrong.err) == (2, "", said)
    assert seqlab("compare", "runs", "--metric", "mse").code == 0
