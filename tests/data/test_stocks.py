"""Prices: no look-ahead, true floors, and every bad row named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from seqlab.data.base import SPLITS, SequenceData
from seqlab.data.stocks import SIGMA, Stocks, simulated
from seqlab.errors import DataError
from seqlab.testing import DataTests

SP500 = Path(__file__).parents[3] / "shared/data/stocks/sp500-2000.csv"


def stocks(**changes: object) -> Stocks:
    return Stocks(**{"batch_size": 16, "length": 10, "seed": 1, "days": 600, **changes})


def stocks_set_up() -> Stocks:
    data = stocks()
    data.setup()
    return data


class TestSimulatedMarket(DataTests):
    def make(self) -> SequenceData:
        return stocks()


def write(path: Path, prices: np.ndarray) -> str:
    days = pd.bdate_range("2015-01-01", periods=len(prices)).strftime("%Y-%m-%d")
    pd.DataFrame({"Date": days, "Close": prices}).to_csv(path, index=False)
    return str(path)


def test_the_future_cannot_reach_the_training_inputs(tmp_path: Path) -> None:
    """Permuting all prices after the training days changes neither training inputs nor their scaling."""
    rng = np.random.default_rng(0)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 500)))
    shuffled = prices.copy()
    shuffled[400:] = rng.permutation(prices[400:]) * 3
    one = stocks(files=[write(tmp_path / "a.csv", prices)])
    two = stocks(files=[write(tmp_path / "b.csv", shuffled)])
    for data in (one, two):
        data.setup()
    assert torch.equal(one.held["train"][0], two.held["train"][0])
    assert torch.equal(one.held["train"][1], two.held["train"][1])
    assert one.spec.inputs == two.spec.inputs
    assert not torch.equal(one.held["test"][1], two.held["test"][1])


def test_windows_end_the_day_before_their_target() -> None:
    """Each target is the change that follows its window, and each day is the target of one split at most."""
    data = stocks()
    data.setup()
    series = torch.from_numpy((simulated(600) - data.spec.inputs.offset) / data.spec.inputs.scale).float()
    x, y = data.held["test"]
    assert torch.equal(y[:, 0], series[480:])
    assert torch.equal(x[0, :, 0], series[470:480])
    assert sum(len(data.held[split][1]) for split in SPLITS) == 600 - 10


def test_walk_forward_folds_test_on_consecutive_blocks() -> None:
    """Fold k trains on what lies before its block; the blocks follow each other to the last day."""
    blocks = []
    for fold in range(3):
        data = stocks(folds=3, fold=fold, test_share=0.1)
        data.setup()
        blocks.append(data.held["test"][1][:, 0] * data.spec.targets.scale + data.spec.targets.offset)
        assert len(data.held["train"][1]) < 600 - (3 - fold) * 60
    torch.testing.assert_close(torch.cat(blocks), torch.from_numpy(simulated(600)[-180:]).float(), rtol=1e-4, atol=1e-7)


def test_the_simulated_market_has_the_floor_that_it_says() -> None:
    """The forecast φ r has error σ; always saying zero costs σ/√(1 − φ²)."""
    series = simulated(200_000)
    assert np.std(series[1:] - 0.3 * series[:-1]) == pytest.approx(SIGMA, rel=0.01)
    data = stocks(days=200_000)
    data.setup()
    assert data.spec.references["best"] == pytest.approx(SIGMA, rel=0.01)
    other = stocks(change="difference")
    other.setup()
    assert "best" not in other.spec.references
    assert other.fingerprint != stocks_set_up().fingerprint
    assert data.spec.references["zero_return"] == pytest.approx(SIGMA / np.sqrt(1 - 0.09), rel=0.02)


@pytest.mark.skipif(not SP500.exists(), reason="the S&P 500 file is not beside this clone")
def test_the_floors_of_the_sp500() -> None:
    """Zero return 0.01213 and price persistence 32.05 over the last fifth of 2000 to 2020."""
    returns, prices = stocks(files=[str(SP500)]), stocks(files=[str(SP500)], change="difference")
    for data in (returns, prices):
        data.setup()
    assert returns.spec.references["zero_return"] == pytest.approx(0.01213, abs=5e-6)
    assert prices.spec.references["zero_return"] == pytest.approx(32.05, abs=0.01)


GOOD = "date,close\n" + "".join(f"2020-01-{day:02},{100 + day % 5}\n" for day in range(1, 31))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("2020-01-07,102", "2020-01-07,n/a"), r"row 8, column close: 'n/a' is not a number"),
        (("2020-01-07,102", "2020-01-07,"), r"row 8, column close: '' is not a number"),
        (("2020-01-07,102", "2020-01-07,inf"), r"row 8, column close: 'inf' is not a number"),
        (("2020-01-07,102", "2020-01-07,-3"), r"row 8, column close: '-3' is not above 0"),
        (("2020-01-07,102", "2020-01-07,1,102"), r"row 8: 3 fields; expected 2"),
        (("2020-01-07", "2020-01-06"), r"row 8, column date: '2020-01-06' comes twice"),
        (("2020-01-07", "2020-01-02"), r"row 8, column date: '2020-01-02' is before the date above it"),
        (("2020-01-07", "someday"), r"row 8, column date: 'someday' is not a date"),
        (("date,close", "date,price"), r"no column 'close' \(data\.price\).* Found: date, price"),
        (("date,close", "day,close"), r"no column 'date' \(data\.date\)"),
        (("date,close", "date;close"), r"row 2: 2 fields; expected 1"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """File, row as an editor counts it, column, and what stands there."""
    path = tmp_path / "prices.csv"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(DataError, match=message):
        stocks(length=3, batch_size=2, files=[str(path)]).setup()


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """The same file without a fault gives 29 changes."""
    path = tmp_path / "prices.csv"
    path.write_text(GOOD)
    data = stocks(length=3, batch_size=2, files=[str(path)])
    data.setup()
    assert sum(len(data.held[split][1]) for split in SPLITS) == 29 - 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": 590}, r"data\.length=590: 600 daily changes leave no"),
        ({"batch_size": 5000}, r"data\.batch_size=5000: larger than the training set"),
        ({"fold": 1}, r"data\.fold=1: expected 0 to 0"),
        ({"change": "level"}, r"data\.change=level: expected log_return"),
        ({"test_share": 1.5}, r"data\.test_share=1\.5"),
    ],
)
def test_impossible_sizes_are_refused(wrong: dict[str, object], message: str) -> None:
    """Windows longer than the data, batches larger than it, folds that are not there."""
    with pytest.raises(DataError, match=message):
        stocks(**wrong).setup()
