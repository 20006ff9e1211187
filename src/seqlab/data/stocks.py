"""Stock prices: forecast tomorrow's change from the changes of the days before."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from seqlab.data import files as named
from seqlab.data.base import SPLITS, ArrayData, Batch, Split, fingerprint, one_of
from seqlab.errors import DataError, suggestion
from seqlab.spec import DataSpec, Metric, Reals

Change = Literal["log_return", "return", "difference"]
UNITS: dict[str, str] = {"log_return": "log-return", "return": "return", "difference": "price units"}
FIRST_LINE = 2
"""Where the data starts in a CSV: line 1 is its header, in an editor and in a spreadsheet alike."""


class Stocks(ArrayData):
    """Windows of daily changes, each with the change that follows it, split by date and never shuffled across it.

    The last ``folds * test_share`` of the days are cut into ``folds`` test blocks; fold k trains and selects only on
    what lies before its block (walk-forward evaluation). Scaling is fitted on the training days alone.

    Without ``files`` it is a simulated market with a known law: r_t = φ r_{t−1} + σ ε_t with φ = 0.3, σ = 0.01 and
    standard normal ε. The best forecast is φ r_{t−1}, and its root mean square error is σ.

    Args:
        batch_size: B.
        length: T, the days in a window.
        files: CSV files with a header, read one after the other; ``None`` for the simulated market.
        date: the column of dates, whatever its capitals.
        price: the column of prices.
        change: what is forecast: the log-return ln(p_t/p_{t−1}), the return p_t/p_{t−1} − 1, or the difference
            p_t − p_{t−1}, whose errors are those of a price forecast.
        val_share: the share of the days before the test block that selects the model.
        test_share: the share of all days in one test block.
        folds: the number of test blocks.
        fold: which of them this run tests on, from 0.
        days: how many days the simulated market has.
        workers: as ``SequenceData`` has them.
        seed: of the order of training batches; the simulated market is the same for all seeds.

    Raises:
        DataError: no such file or column, a price that is no positive number, dates unsorted or twice, too few days.
    """

    def __init__(
        self,
        batch_size: int,
        length: int,
        seed: int,
        files: Sequence[str] | None = None,
        date: str = "date",
        price: str = "close",
        change: Change = "log_return",
        val_share: float = 0.2,
        test_share: float = 0.2,
        folds: int = 1,
        fold: int = 0,
        days: int = 4000,
        workers: int = 0,
    ):
        super().__init__(batch_size, seed, workers)
        if not 0 <= fold < folds:
            raise DataError(f"data.fold={fold}: expected 0 to {folds - 1}, one of data.folds={folds}.")
        if not 0 < val_share < 1 or not 0 < test_share * folds < 1:
            raise DataError(
                f"data.val_share={val_share}, data.test_share={test_share}, data.folds={folds}: "
                "val_share and test_share * folds must lie between 0 and 1."
            )
        self.length, self.files, self.date, self.price = length, files, date, price
        self.change = one_of("data.change", change, UNITS)
        self.val_share, self.test_share, self.folds, self.fold, self.days = val_share, test_share, folds, fold, days

    def arrays(self) -> dict[Split, Batch]:
        """Windows (n, T, 1) and the changes that follow them (n, 1), both scaled."""
        if self.files is None:
            series = simulated(self.days)
            if self.change != "log_return":
                series = changes(100 * np.exp(np.cumsum(series)), self.change)
            self.fingerprint = fingerprint(series)
        else:
            paths = named.existing(self.files)
            series = changes(read_prices(paths, self.date, self.price), self.change)
            self.fingerprint = named.fingerprint_of(paths)
        days = self._days(len(series))
        offset, scale = float(series[days["train"]].mean()), float(series[days["train"]].std())
        if scale == 0:
            raise DataError(f"data.price={self.price}: the price never changes in the training days; nothing to learn.")
        self.spec = self._describe(series, days["test"], offset, scale)
        scaled = torch.from_numpy((series - offset) / scale).float()[:, None]
        windows = scaled.unfold(0, self.length, 1).transpose(1, 2)  # window i is days i … i + T − 1
        return {split: (windows[rows - self.length], scaled[rows]) for split, rows in days.items()}

    def _days(self, n: int) -> dict[Split, np.ndarray]:
        """The target days of each split, in order; every window lies before its target."""
        block = round(n * self.test_share)
        stop = n - (self.folds - 1 - self.fold) * block
        start = stop - block
        val = start - int((start - self.length) * self.val_share)
        bounds = {"train": (self.length, val), "val": (val, start), "test": (start, stop)}
        for split in SPLITS:
            low, high = bounds[split]
            if high <= low:
                raise DataError(
                    f"data.length={self.length}: {n} daily changes leave no {split} days in fold {self.fold}. "
                    "Lower data.length or data.folds, or give more days."
                )
        return {split: np.arange(*bounds[split]) for split in SPLITS}

    def _describe(self, series: np.ndarray, test: np.ndarray, offset: float, scale: float) -> DataSpec:
        truth = series[test]
        known_law = self.files is None and self.change == "log_return"
        return DataSpec(
            inputs=Reals(1, offset, scale),
            targets=Reals(1, offset, scale),
            loss_at="last",
            metric=Metric("rmse", "min", UNITS[self.change]),
            references={
                "zero_return": _rmse(truth),  # the price stays: persistence of the price
                "persistence": _rmse(truth - series[test - 1]),  # the change repeats
                "train_mean": _rmse(truth - offset),
                **({"best": _rmse(truth - PHI * series[test - 1])} if known_law else {}),
            },
        )


PHI, SIGMA = 0.3, 0.01


def simulated(days: int) -> np.ndarray:
    """Log-returns of a market whose law is known: an autoregression of order one."""
    noise = np.random.default_rng(2000).standard_normal(days) * SIGMA
    series = np.zeros(days)
    for t in range(1, days):
        series[t] = PHI * series[t - 1] + noise[t]
    return series


def changes(prices: np.ndarray, change: Change) -> np.ndarray:
    """Day-to-day changes (n − 1) of prices (n)."""
    if change == "log_return":
        return np.diff(np.log(prices))
    return np.diff(prices) / (prices[:-1] if change == "return" else 1)


def read_prices(paths: Sequence[Path], date: str, price: str) -> np.ndarray:
    """The price column of some CSV files, one after the other, with every row checked.

    Raises:
        DataError: a missing column; a cell that is no positive number; a date that cannot be read, is out of order or
            comes twice. The message names the file, the row as an editor counts it, and the column.
    """
    columns: list[tuple[pd.Series, np.ndarray]] = []
    for path in paths:
        table = _read_text_table(path)
        dates = _dates(path, _column(path, table, date, "date"))
        if columns and dates.iloc[0] <= columns[-1][0].iloc[-1]:
            raise DataError(
                f"{path}, row {FIRST_LINE}: its first date is not after the last one of the file before it."
            )
        columns.append((dates, _numbers(path, _column(path, table, price, "price"))))
    return np.concatenate([numbers for _, numbers in columns])


def _read_text_table(path: Path) -> pd.DataFrame:
    """Every cell as it is written."""
    import datasets

    names, *cells = csv.reader(io.StringIO(named.utf8(path).decode("utf-8-sig")))
    if not cells:
        raise DataError(f"{path}: a header and no rows.")
    for row, cell in enumerate(cells, start=FIRST_LINE):
        if cell and len(cell) != len(names):
            raise DataError(f"{path}, row {row}: {len(cell)} fields; expected {len(names)}, as in the header.")
    as_written = datasets.Features({name: datasets.Value("string") for name in names})
    named.quiet_datasets()
    try:
        rows = datasets.load_dataset(
            "csv",
            data_files=[str(path)],
            split="train",
            features=as_written,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except Exception as error:
        cause = error.__cause__ or error
        raise DataError(f"{path}: not a CSV table ({str(cause).strip().splitlines()[-1]})") from error
    return rows.to_pandas()


def _column(path: Path, table: pd.DataFrame, wanted: str, key: str) -> pd.Series:
    by_lower = {name.lower(): name for name in table.columns}
    if wanted.lower() in by_lower:
        return table[by_lower[wanted.lower()]]
    hint = suggestion(wanted, table.columns)
    if len(table.columns) == 1 and ";" in table.columns[0]:
        hint = " Its separator seems to be ';'; seqlab reads commas."
    found = ", ".join(table.columns)
    raise DataError(f"{path}: no column '{wanted}' (data.{key}).{hint} Found: {found}. Choose with data.{key}=COLUMN.")


def _numbers(path: Path, column: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(column.str.strip(), errors="coerce").to_numpy(dtype=float)
    for wrong, fault in (
        (~np.isfinite(numbers), "is not a number"),
        (numbers <= 0, "is not above 0, as a price must be"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"{path}, row {row + FIRST_LINE}, column {column.name}: '{column.iloc[row]}' {fault}. "
                f"Mend or remove the row ({int(wrong.sum())} such in all)."
            )
    return numbers


def _dates(path: Path, column: pd.Series) -> pd.Series:
    dates = pd.to_datetime(column, errors="coerce", format="ISO8601")
    steps = dates.diff()
    faults = (
        (dates.isna(), "is not a date; write it as YYYY-MM-DD"),
        (steps == pd.Timedelta(0), "comes twice; keep one of the rows"),
        (steps < pd.Timedelta(0), "is before the date above it; sort the rows by date"),
    )
    for wrong, fault in faults:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(f"{path}, row {row + FIRST_LINE}, column {column.name}: '{column.iloc[row]}' {fault}.")
    return dates


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))
