"""The horizon over seeds: medians, intervals, censoring, and what is shown of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from seqlab.compare import horizon_view, read
from seqlab.compare.horizon import Horizon, Lag, half, horizons, is_trial
from seqlab.figures.horizon import draw
from seqlab.runs import Run
from seqlab.spec import LEFT


def put(root: Path, cell: str, seed: int, lag: int, solved: bool | None, status: str = "finished", **more: Any) -> Run:
    """The folder of a trial as training leaves it."""
    group = f"copy-{cell}-{hash((cell, lag, str(more))) % 16**8:08x}"
    config = {
        "id": f"{group}-s{seed}",
        "group": group,
        "choices": {"data": "copy", "cell": cell},
        "seed": seed,
        "runs_dir": str(root),
        "callbacks": {"solved": {"_target_": "seqlab.callbacks.solved.UntilSolved"}},
        "data": {"length": lag, "seed": seed},
        "cell": {"hidden_size": 64} | more,
    }
    run = Run(config)
    run.prepare()
    summary: dict[str, Any] = {"status": status, "metric": {"name": "loss", "goal": "min", "unit": "nats"}}
    if status == "finished":
        summary |= {
            "references": {"chance": 0.2, "best": 0.0},
            "test": {"test/loss": 0.001 if solved else 0.2},
            "best": {"val/loss": 0.001},
            "solved": {"success": 2000 if solved else None},
            "parameters": 17473,
            "seconds": 20.0,
        }
    else:
        summary["error"] = f"{status} for a reason"
    run.conclude(summary)
    return run


def reach(root: Path, cell: str, seed: int, solved: int, failed: int | None, **more: Any) -> None:
    """Two trials between which the horizon of a seed lies."""
    if solved:
        put(root, cell, seed, solved, True, **more)
    if failed:
        put(root, cell, seed, failed, False, **more)


@pytest.fixture
def found(tmp_path: Path) -> list[Horizon]:
    """An LSTM that solves 40, 80, 80, 160 and all lags, and a tanh RNN that solves none, or 10."""
    for seed, (solved, failed) in enumerate([(40, 80), (80, 160), (80, 113), (160, 320), (1000, None)], 1):
        reach(tmp_path, "lstm", seed, solved, failed)
    for seed, (solved, failed) in enumerate([(0, 10), (0, 10), (10, 20)], 1):
        reach(tmp_path, "rnn", seed, solved, failed)
    return horizons(read.read([tmp_path]))


def test_half_of_the_seeds_solve_the_lag(found: list[Horizon]) -> None:
    """The median of the longest lags solved; of five seeds the extremes hold it with 1 − 2/2⁵ = 93.75 %."""
    lstm, rnn = found
    assert (lstm.label, rnn.label) == ("lstm", "rnn")
    assert lstm.half == half([Lag(40), Lag(80), Lag(80), Lag(160), Lag(1000, 1)])
    assert (str(lstm.half.lag), str(lstm.half.low), str(lstm.half.high)) == ("80", "40", "> 1,000")
    assert lstm.half.coverage == 1 - 2 / 2**5
    assert str(rnn.half.lag) == "< 10"


def test_at_the_median_at_least_half_of_the_seeds_succeed() -> None:
    """Also for an even number of seeds, where the upper of the two in the middle is solved by half."""
    assert half([Lag(10), Lag(20), Lag(40), Lag(80)]).lag == Lag(40)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    """Whatever the law of the horizons: here a skew one, whose median is 1, with 5, 9 and 20 seeds."""
    rng = np.random.default_rng(0)
    for n in (5, 9, 20):
        draws = np.exp(rng.exponential(size=(3000, n)) - np.log(2)) * 1000
        halves = [half([Lag(int(x)) for x in row]) for row in draws]
        inside = np.mean([h.low.steps <= 1000 <= h.high.steps for h in halves])
        assert inside == pytest.approx(halves[0].coverage, abs=0.02)
        assert halves[0].coverage >= (0.93 if n == 5 else 0.95)


def test_the_success_rate_has_a_wilson_interval(found: list[Horizon]) -> None:
    """At a lag, the share of the seeds that solved it or a longer one: 4 of 5 by hand."""
    rate, low, high = found[0].rate(80)
    z = 1.959963984540054
    centre, spread = (0.8 + z**2 / 10) / (1 + z**2 / 5), z / (1 + z**2 / 5) * np.sqrt(0.16 / 5 + z**2 / 100)
    assert rate == 0.8
    assert (low, high) == (pytest.approx(centre - spread), pytest.approx(centre + spread))
    assert found[1].rate(20)[0] == 0.0


def test_what_diverged_has_not_solved_its_task_and_what_failed_is_shown(seqlab: Command, tmp_path: Path) -> None:
    """A failed run says nothing of the lag; it is listed with its cause."""
    put(tmp_path / "runs", "lstm", 1, 10, None, "diverged")
    put(tmp_path / "runs", "lstm", 2, 10, None, "failed")
    out = seqlab("horizon", "runs").out
    assert re.search(r"lstm\s+< 10\s+1\s+1", out)
    assert "failed: failed for a reason" in out


def test_experiments_of_one_cell_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    """Not by the lag or the seed, which each of them varies."""
    reach(tmp_path, "lstm", 1, 10, 20, chrono=None)
    reach(tmp_path, "lstm", 2, 20, 40, chrono=200)
    assert [h.label for h in horizons(read.read([tmp_path]))] == ["lstm chrono=200", "lstm"]


def follow(root: Path, lags: dict[int, bool], **more: Any) -> None:
    """Trials of one seed whose initialisation is that for their lag."""
    for lag, solved in lags.items():
        put(root, "lstm", 1, lag, solved, chrono=lag, **more)


def test_a_value_that_is_the_lag_does_not_set_trials_apart(tmp_path: Path) -> None:
    """As cell.chrono=${data.length} has it: one experiment, also where another value happens to be a lag."""
    follow(tmp_path, {10: True, 20: True, 64: True, 128: False})
    reach(tmp_path, "lstm", 1, 10, 20, chrono=None)
    assert [(h.label, str(h.half.lag)) for h in horizons(read.read([tmp_path]))] == [
        ("lstm chrono=lag", "64"),
        ("lstm", "10"),
    ]


def test_a_trial_may_be_of_two_experiments(tmp_path: Path) -> None:
    """At a lag of 160, what was made for chrono=160 is what is made for a chrono of the lag."""
    follow(tmp_path, {40: True, 80: True, 160: True})
    put(tmp_path, "lstm", 1, 80, True, chrono=160)
    found = horizons(read.read([tmp_path]))
    assert {h.label: str(h.half.lag) for h in found} == {"lstm chrono=lag": "> 160", "lstm chrono=160": "> 160"}


def test_a_value_that_was_once_the_lag_is_a_value(tmp_path: Path) -> None:
    """A width of 20 tried at the lags 10 and 20, and one of 40 that was tried at 40."""
    tried = [(20, False, 20), (10, True, 20), (40, False, 40)]
    runs = [put(tmp_path, "lstm", 1, lag, solved, hidden_size=size) for lag, solved, size in tried]
    assert {h.label for h in horizons([read.read_one(run.folder) for run in runs])} == {
        "lstm hidden_size=20",
        "lstm hidden_size=40",
    }


def test_the_table_fits_and_shows_censoring(seqlab: Command, tmp_path: Path) -> None:
    """80 columns, the furthest first; compare shows the same table in place of one for each lag."""
    for seed in (1, 2, 3):
        reach(tmp_path / "runs", "lstm", seed, 1000, None)
        reach(tmp_path / "runs", "rnn", seed, 10, 20)
    out = seqlab("horizon", "runs").out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert [line.split()[0] for line in out.splitlines() if line.startswith(("lstm", "rnn"))] == ["lstm", "rnn"]
    assert "> 1,000" in out
    assert "75 % (n = 3)" in " ".join(out.split())
    told = seqlab("compare", "runs").out
    assert "copy: horizon" in told
    assert "nats" not in told


def test_a_narrow_terminal_cuts_no_number(seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 48 columns; what has no room goes on in the next line."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "48")
    for seed in (1, 2, 3):
        reach(tmp_path / "runs", "lstm", seed, 1000, None)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", seqlab("horizon", "runs").out).partition("Half:")[0].splitlines()
    assert max(map(len, lines)) <= 48
    assert {"lstm", "1,000", "17,473", "60"} <= {word for line in lines for word in line.split()}


def test_of_one_seed_nothing_is_said_of_others(seqlab: Command, tmp_path: Path) -> None:
    """No interval, and no word of one."""
    reach(tmp_path / "runs", "lstm", 1, 10, 20)
    out = seqlab("horizon", "runs").out
    assert re.search(r"lstm +10 +1 +2 +17,473", out)
    assert "Interval" not in out
    assert "%" not in out


def test_the_page_shows_every_trial_and_needs_no_network(found: list[Horizon]) -> None:
    """Both cells with their rates, all trials, and the lines of chance and success; no address is loaded."""
    assert not re.search(r"<(script|link)[^>]+(src|href)=", horizon_view.drawn(found))
    drawn = json.loads(draw([horizon_view._points(each) for each in found], LEFT).to_json())
    rates = [trace for trace in drawn["data"] if trace["mode"] == "lines+markers"]
    assert [trace["name"] for trace in rates] == ["lstm", "rnn"]
    trials = [trace for trace in drawn["data"] if trace["mode"] == "markers"]
    assert sum(len(trace["x"]) for trace in trials) == 9 + 4
    assert sorted({y for trace in trials for y in trace["y"]}) == pytest.approx([0.001 / 0.2, 1.0])
    assert [shape["y0"] for shape in drawn["layout"]["shapes"]] == [0.0, 0.5, 1.0, 0.01]


def test_a_trial_is_a_run_that_ends_when_it_is_solved(tmp_path: Path) -> None:
    """Others are compared as ever."""
    record = read.read_one(put(tmp_path, "lstm", 1, 10, True).folder)
    assert is_trial(record)
    record.config["callbacks"].clear()
    assert not is_trial(record)
