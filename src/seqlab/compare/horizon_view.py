"""The horizons: tables on a terminal, and a page of figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table

from seqlab import terminal
from seqlab.compare.horizon import Half, Horizon, lag_of, left
from seqlab.figures.horizon import Points, draw
from seqlab.figures.page import page
from seqlab.spec import LEFT
from seqlab.terminal import Terminal

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLUMNS = ("half", "interval", "n", "runs", "parameters", "seconds")

LEGEND = """Half: the longest lag that half of n seeds solve, judged on validation.
{interval}> and <: beyond the lags tried."""

INTERVAL = """Interval: order statistics, which hold the median of all seeds with
{coverage}. """

ABOUT = """Above, at each lag, the share of the seeds that solve it or a longer one, with its 95 % Wilson interval.
Below, each trial by what its test score left of the way from chance to the best possible. At the lower dotted line a
task counts as solved."""


def show(horizons: Sequence[Horizon]) -> None:
    """Print a table for each data set, the furthest first, and the runs that came to nothing."""
    console = Terminal()
    for data, group in groupby(horizons, key=lambda horizon: horizon.data):
        console.print(_table(data, list(group)))
        console.print()
    lost = {record.run.id: record for horizon in horizons for record in horizon.lost}
    if lost:
        console.print("Without a result:", style="bold")
        for name, record in lost.items():
            told = f"  {name}: {record.status.state}: {record.status.cause}"
            console.print(told, soft_wrap=True, markup=False)
        console.print()
    coverage = _coverage(horizons)
    interval = INTERVAL.format(coverage=coverage) if coverage else ""
    console.explain(LEGEND.format(interval=interval))


def drawn(horizons: Sequence[Horizon]) -> str:
    """A page with a figure for each data set."""
    return page("How far back", ABOUT, figures(horizons))


def figures(horizons: Sequence[Horizon]) -> dict[str, Figure]:
    """A figure for each data set."""
    by_data = groupby([horizon for horizon in horizons if horizon.trials], key=lambda horizon: horizon.data)
    return {data: draw([_points(each) for each in group], LEFT) for data, group in by_data}


def _points(horizon: Horizon) -> Points:
    rates = [(lag, horizon.rate(lag)) for lag in horizon.lags]
    trials = [(lag_of(trial), trial.seed, left(trial)) for trial in horizon.trials if trial.finished]
    return Points(horizon.label, horizon.cell, rates, trials)


def _coverage(horizons: Sequence[Horizon]) -> str:
    """``94 % (n = 5)``, for each number of seeds that has an interval."""
    by_n = {len(horizon.reaches): horizon.half.coverage for horizon in horizons if len(horizon.reaches) > 1}
    return ", ".join(f"{100 * coverage:.0f} % (n = {n})" for n, coverage in sorted(by_n.items()))


def rows(horizons: Sequence[Horizon], data: str) -> list[list[str]]:
    """A row of texts for each experiment on a data set: its label, and what ``COLUMNS`` name."""
    return [_row(horizon) for horizon in horizons if horizon.data == data]


def _table(data: str, horizons: Sequence[Horizon]) -> Table:
    table = terminal.numbers(f"{data}: horizon, lag in steps, longer is better", COLUMNS)
    for cells in rows(horizons, data):
        table.add_row(*cells)
    return table


def _row(horizon: Horizon) -> list[str]:
    if not horizon.trials:
        return [horizon.label, *["-"] * 2, "0", *["-"] * 3]
    half, ended = horizon.half, [trial for trial in horizon.trials if trial.finished]
    return [
        horizon.label,
        str(half.lag),
        _interval(half, len(horizon.reaches)),
        str(len(horizon.reaches)),
        str(len(horizon.trials)),
        f"{ended[0].summary['parameters']:,}" if ended else "-",
        f"{sum(trial.summary['seconds'] for trial in ended):,.0f}",
    ]


def _interval(half: Half, n: int) -> str:
    """``40 to > 1,000``; nothing for one seed, which says nothing of the others."""
    return f"{half.low} to {half.high}" if n > 1 else ""
