"""The search for horizons: which runs it makes, and that no end of it costs one of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from seqlab.bisection import Horizons, Plan
from seqlab.compare.horizon import Reach
from seqlab.engines.base import Ending, Engine
from seqlab.errors import ConfigError, SweepFailed
from seqlab.ledger import find
from seqlab.runs import Run

WITHIN = Plan(seeds=1, shortest=10, longest=1000, precision=1.2)


def found(horizon: float, within: Plan = WITHIN) -> tuple[Reach, list[int]]:
    """What is known, and the lags tried in their order, for a seed that solves every lag up to its horizon."""
    tried: dict[int, bool] = {}
    while (lag := within.next(Reach(tried))) is not None:
        assert lag not in tried
        tried[lag] = lag <= horizon
    return Reach(tried), list(tried)


def test_it_doubles_and_then_bisects() -> None:
    """The middle is the geometric one, and the search ends when two neighbours are within the precision."""
    assert found(50)[1] == [10, 20, 40, 80, 57, 48]


@pytest.mark.parametrize("horizon", [10, 11, 39, 40, 41, 333, 999])
def test_the_horizon_is_bracketed(horizon: int) -> None:
    """It lies between a lag that is solved and one that is not, which are neighbours."""
    reach, _ = found(horizon)
    assert reach.solved is not None
    assert reach.failed is not None
    assert reach.solved <= horizon < reach.failed
    assert reach.failed <= WITHIN.precision * reach.solved or reach.failed == reach.solved + 1


def test_a_horizon_beyond_the_limits_is_censored() -> None:
    """Below the shortest after one trial; beyond the longest after having tried the longest itself."""
    reach, lags = found(5)
    assert (reach.solved, lags) == (None, [10])
    reach, lags = found(math.inf)
    assert (reach.failed, lags) == (None, [10, 20, 40, 80, 160, 320, 640, 1000])


def test_wider_limits_go_on_from_what_is_known() -> None:
    """Neither lag is tried again."""
    reach = Reach({10: False})
    assert Plan(1, 5, 1000, 1.2).next(reach) == 5
    assert Plan(1, 10, 20, 1.2).next(Reach({10: True, 20: True})) is None
    assert Plan(1, 10, 100, 1.2).next(Reach({10: True, 20: True})) == 40


def test_luck_at_a_longer_lag_counts() -> None:
    """The longest lag solved, and the first above it that is not."""
    reach = Reach({10: True, 20: False, 40: True, 80: False})
    assert (reach.solved, reach.failed) == (40, 80)


PLAN: dict[str, Any] = {"seeds": 2, "shortest": 10, "longest": 100, "precision": 1.2}


class Killed(BaseException):
    """The process has ended, as by SIGKILL."""


class Pretend(Engine):
    """Makes a run in no time: cell a solves lags up to 25, or 60 with seed 2; cell b solves all.

    Args:
        dies: after how many runs the process is killed.
        ends: how a run ends, by its configuration; finished unless said.
    """

    def __init__(self, dies: int | None = None, ends: Callable[[Any], str] = lambda config: "finished"):
        self.dies, self.ends, self.made = dies, ends, list[str]()

    def make(self, runs: Sequence[Run]) -> Iterator[Ending]:
        for run in runs:
            if self.dies == len(self.made):
                raise Killed
            self.made.append(run.id)
            with run.lease():
                run.conclude(self.summary(run))
            yield Ending(run)

    def summary(self, run: Run) -> dict[str, Any]:
        state = self.ends(run.config)
        if state != "finished":
            return {"status": state, "error": "not today"}
        reach = 1000 if run.config["cell"]["kind"] == "b" else {1: 25, 2: 60}[run.config["seed"]]
        solved = run.config["data"]["length"] <= reach
        metric = {"name": "loss", "goal": "min", "unit": "nats"}
        return {
            "status": "finished",
            "metric": metric,
            "references": {"chance": 1.0, "best": 0.0},
            "solved": {"success": 100 if solved else None},
            "best": {"val/loss": 0.0},
            "test": {"test/loss": 0.0},
            "parameters": 1,
            "seconds": 0.0,
        }


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., Horizons]:
    """A search for the horizons of cells a and b, on pretended runs."""

    def freeze(overrides: Sequence[str]) -> Run:
        values = {"data.length": "1", "seed": "1"} | dict(word.split("=", 1) for word in overrides)
        lag, seed, cell = int(values["data.length"]), int(values["seed"]), values["cell"]
        group = f"toy-{cell}-{lag:08x}"
        return Run(
            {
                "id": f"{group}-s{seed}",
                "group": group,
                "choices": {"data": "toy", "cell": cell},
                "seed": seed,
                "runs_dir": str(tmp_path / "runs"),
                "data": {"length": lag},
                "cell": {"kind": cell},
                "callbacks": {"solved": {}},
            }
        )

    def make(engine: Engine, **plan: Any) -> Horizons:
        return Horizons(Plan(**{**PLAN, **plan}), [["cell=a"], ["cell=b"]], freeze, engine)

    return make


def lags(horizons: Horizons) -> list[list[int]]:
    """The lags that each seed was tried at, in their order."""
    return [list(tried) for tried in horizons.tried.values()]


WANTED = [[10, 20, 40, 28, 24], [10, 20, 40, 80, 57, 68], [10, 20, 40, 80, 100], [10, 20, 40, 80, 100]]


def test_each_seed_is_searched_by_itself(search: Callable[..., Horizons]) -> None:
    """Doubling, then bisection; one that solves all lags ends with the longest."""
    horizons = search(engine := Pretend())
    horizons.make()
    assert lags(horizons) == WANTED
    assert len(engine.made) == sum(map(len, WANTED))


def test_the_same_command_makes_nothing_twice(search: Callable[..., Horizons]) -> None:
    """A search that is finished; and one that looks closer, which makes only what is missing."""
    search(Pretend()).make()
    again = search(engine := Pretend())
    again.make()
    assert (engine.made, lags(again)) == ([], WANTED)
    search(engine := Pretend(), precision=1.1, longest=200).make()
    assert [name.partition("-s")[0][-2:] for name in engine.made] == [
        f"{lag:02x}" for lag in (26, 62, 160, 160, 200, 200)
    ]


@pytest.mark.parametrize("dies", [0, 1, 5, 11, 20])
def test_a_search_that_was_killed_goes_on_to_the_same_trials(search: Callable[..., Horizons], dies: int) -> None:
    """Wherever it was killed."""
    with pytest.raises(Killed):
        search(Pretend(dies)).make()
    horizons = search(engine := Pretend())
    horizons.make()
    assert lags(horizons) == WANTED
    assert len(engine.made) == sum(map(len, WANTED)) - dies


def test_what_diverged_is_not_solved_and_is_not_made_again(search: Callable[..., Horizons]) -> None:
    """It would diverge again."""
    search(Pretend(ends=lambda config: "diverged" if config["data"]["length"] > 10 else "finished")).make()
    horizons = search(engine := Pretend())
    horizons.make()
    assert lags(horizons) == [[10, 20, 14, 12]] * 4
    assert engine.made == []
    horizons.check()


def test_what_failed_ends_its_seed_alone_and_is_tried_again(search: Callable[..., Horizons]) -> None:
    """The others go on; the command fails, and the same one makes what is missing."""
    horizons = search(Pretend(ends=lambda c: "failed" if (c["seed"], c["data"]["length"]) == (2, 20) else "finished"))
    horizons.make()
    assert lags(horizons) == [WANTED[0], [10, 20], WANTED[2], [10, 20]]
    with pytest.raises(SweepFailed, match="2 of 14 runs failed"):
        horizons.check()
    again = search(Pretend())
    again.make()
    assert lags(again) == WANTED


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"shortest": 0}, "shortest=0: expected an integer of at least 1"),
        ({"precision": 1}, "precision=1: expected a number above 1"),
        ({"longest": 5}, "longest=5: below shortest=10"),
        ({"seeds": 0}, "seeds=0: expected how many"),
        ({"seeds": [1, 1]}, r"seeds=\[1, 1\]: expected how many"),
        ({"seeds": 2.5}, "seeds=2.5: expected how many"),
        ({"seeds": True}, "seeds=True: expected how many"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: dict[str, Any], words: str) -> None:
    """In one line, with what was given and what is expected."""
    with pytest.raises(ConfigError, match=words):
        Plan(**{**PLAN, **plan})


TRIAL = (
    "cell.hidden_size=16", "data.train_size=500", "data.val_size=500", "data.test_size=50", "optimizer.lr=2e-2",
    "trainer=cpu", "trainer.max_epochs=30", "logger=none",
)  # fmt: skip


def test_the_command_finds_a_horizon_with_real_runs(seqlab: Command, tmp_path: Path) -> None:
    """Of an LSTM that adds; then the same command makes nothing, and the folder alone tells the same."""
    words = ("horizon", "data=adding", "cell=lstm", "seeds=2", "shortest=3", "longest=6", *TRIAL)
    made = seqlab(*words)
    assert made.code == 0
    row = re.search(r"^lstm .*$", made.out, re.MULTILINE)
    assert row
    assert "> 6" in row[0]
    assert (tmp_path / "runs" / "horizon.html").stat().st_size > 1e6
    assert len(find([tmp_path / "runs"])) == 4
    again = seqlab(*words)
    assert "to make" not in again.out
    assert row[0] in again.out
    assert row[0] in seqlab("horizon", "runs").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("data=adding", "seed=1,2"), "seed=1,2: seeds are given by seeds=5"),
        (("data=adding", "data.length=10"), "data.length=10: the lag is what is searched"),
        (("data=adding", "callbacks=default"), "callbacks=default: the search takes callbacks=until_solved"),
        (("data=adding", "longest=x"), "longest=x: expected an integer"),
        (("data=adding", "seeds=1,2"), "seeds=1,2: several values of it make no sweep. Give one, or put the list in"),
        (("data=adding", "sedes=3"), "sedes: no such key. Did you mean seeds?"),
        (("data=adding", "--dry_run"), "--dry_run: no such flag. Did you mean --dry-run?"),
        (("--html", "x.html"), "the following arguments are required: paths. 'seqlab horizon --help' says"),
        (("data=parity",), "data=parity: has data.length=[1, 40], and a horizon is looked for over lags of one number"),
        (("data=reber",), "data=reber: has no data.length"),
        (("data=adding,stocks",), "data=stocks: the data do not know the best possible rmse"),
        (("data=text", "cell=lstmm"), "cell=lstmm: no such cell. Did you mean lstm?"),
        (("data=adding", "hydra/launcher=basic"), "hydra/launcher=basic: a search needs one of seqlab's own"),
        (("nowhere",), "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    seqlab: Command, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Exit code 2, and nothing was started."""
    answer = seqlab("horizon", *words)
    assert told in answer.err
    assert answer.err.count("\n") == 1
    assert answer.code == 2
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_measures_the_first_trials(seqlab: Command, tmp_path: Path) -> None:
    """And makes none."""
    answer = seqlab("horizon", "data=adding", "cell=lstm", "seeds=2", *TRIAL, "--dry-run")
    assert "2 runs: 0 finished already, 2 to make" in answer.out
    assert not (tmp_path / "runs").exists()
