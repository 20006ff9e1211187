"""The horizon of each experiment: the lag that half of its seeds solve, with an interval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from scipy.stats import binom, binomtest

from seqlab.compare.differences import differences, without_seed, written
from seqlab.compare.read import Record

LAG = "length"
"""The key of a data set that is the lag."""
THE_LAG = "lag"
"""What stands for a value that is the lag in every trial of an experiment."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Reach:
    """How far one seed of one experiment reaches.

    Attributes:
        tried: whether it was solved, by lag.
    """

    tried: Mapping[int, bool]

    @property
    def solved(self) -> int | None:
        """The longest lag that was solved; ``None`` if none was."""
        return max((lag for lag, solved in self.tried.items() if solved), default=None)

    @property
    def failed(self) -> int | None:
        """The shortest lag above it that was not; ``None`` if there is none."""
        above = self.solved or 0
        return min((lag for lag, solved in self.tried.items() if not solved and lag > above), default=None)


@dataclass(frozen=True)
class Lag:
    """A lag in steps, or that it is beyond all that were tried.

    Attributes:
        steps: the longest lag solved; where it is censored, the limit.
        sign: 0; or -1 where the shortest lag tried was not solved, 1 where the longest was.
    """

    steps: int
    sign: int = 0

    def __str__(self) -> str:
        return f"{('', '> ', '< ')[self.sign]}{self.steps:,}"

    def __lt__(self, other: Lag) -> bool:
        return (self.steps, self.sign) < (other.steps, other.sign)


@dataclass(frozen=True)
class Half:
    """The lag that half of the seeds solve.

    Attributes:
        lag: the median over seeds; the upper one of an even number.
        low: the lower end of its interval, by order statistics.
        high: the upper end.
        coverage: how surely the interval holds the median of all seeds, whatever their law: 0.95 or more, or where
            seeds are too few for that, as much as all of them give.
    """

    lag: Lag
    low: Lag
    high: Lag
    coverage: float


def half(lags: Iterable[Lag]) -> Half:
    """The median of the seeds' horizons, with its distribution-free interval.

    Between the j-th smallest and the j-th largest of n lies the true median with probability 1 − 2 P(X < j) for X
    binomial in n tosses (David & Nagaraja 2003, section 7.1).
    """
    ranked = sorted(lags)
    n = len(ranked)
    j = max(1, int(binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)))
    return Half(ranked[n // 2], ranked[j - 1], ranked[n - j], float(1 - 2 * binom.cdf(j - 1, n, 0.5)))


@dataclass(frozen=True)
class Horizon:
    """How far back one experiment reaches.

    Attributes:
        data: the data set's name.
        cell: the cell's name.
        varied: the keys in which this experiment differs from others of the same data set and cell.
        trials: all runs that came to success or to none.
        lost: all other runs.
    """

    data: str
    cell: str
    varied: Mapping[str, Any]
    trials: tuple[Record, ...]
    lost: tuple[Record, ...]

    @property
    def label(self) -> str:
        """The cell and what else sets the experiment apart."""
        return written(self.cell, self.varied)

    @property
    def reaches(self) -> dict[int, Reach]:
        """What is known of each seed."""
        tried: dict[int, dict[int, bool]] = defaultdict(dict)
        for trial in self.trials:
            tried[trial.seed][lag_of(trial)] = bool(trial.solved)
        return {seed: Reach(lags) for seed, lags in sorted(tried.items())}

    @property
    def lags(self) -> list[int]:
        """Every lag that some seed was tried at."""
        return sorted({lag_of(trial) for trial in self.trials})

    @property
    def horizons(self) -> list[Lag]:
        """The horizon of each seed."""
        return [_horizon(reach) for reach in self.reaches.values()]

    @property
    def half(self) -> Half:
        """The lag that half of the seeds solve."""
        return half(self.horizons)

    def rate(self, lag: int) -> tuple[float, float, float]:
        """The share of the seeds that reach a lag, and its Wilson interval at 95 %."""
        solved = [reach.solved or 0 for reach in self.reaches.values()]
        test = binomtest(sum(longest >= lag for longest in solved), len(solved))
        interval = test.proportion_ci(CONFIDENCE, method="wilson")
        return test.statistic, interval.low, interval.high


def left(trial: Record) -> float:
    """How much of the way from chance (1) to the best possible (0) a trial left, on the test set."""
    references, score = trial.summary["references"], trial.score("test")
    assert score is not None
    chance, best = references["chance"], references["best"]
    return (score - best) / (chance - best)


def _horizon(reach: Reach) -> Lag:
    if reach.solved is None:
        return Lag(min(reach.tried), -1)
    return Lag(reach.solved, 1 if reach.failed is None else 0)


def lag_of(record: Record) -> int:
    """At which lag a run was made."""
    return record.config["data"][LAG]


def is_trial(record: Record) -> bool:
    """Whether a run was made to find a horizon: it ends when it is solved, and has one lag."""
    return "solved" in (record.config.get("callbacks") or {}) and isinstance(record.config["data"].get(LAG), int)


def _values(trial: Record) -> dict[str, Any]:
    """What counts of a trial, but for its lag and its seed."""
    return {key: value for key, value in without_seed(trial.config).items() if key != f"data.{LAG}"}


def _experiments(trials: Sequence[Record]) -> list[tuple[dict[str, Any], list[Record]]]:
    """The trials of each experiment, all of one data set and cell, after the values that they share.

    Trials of one experiment differ in their lag and their seed alone, or also in values that are the lag in each, as by
    ``cell.chrono=${data.length}``. One at a lag of 160 is then of the experiment with ``cell.chrono=160``, too.
    """
    alike: dict[str, list[Record]] = defaultdict(list)
    for trial in trials:
        alike[str(_values(trial))].append(trial)
    at_one_lag = [key for key, same in alike.items() if len({lag_of(trial) for trial in same}) == 1]
    laws = _laws(alike[key][0] for key in at_one_lag)
    following = [(law, [trial for trial in trials if _follows(trial, law)]) for law in laws]
    told = set(at_one_lag) & {str(_values(trial)) for _, members in following for trial in members}
    return [*((_values(same[0]), same) for key, same in alike.items() if key not in told), *following]


def _laws(trials: Iterable[Record]) -> list[dict[str, Any]]:
    """What two trials or more share that differ only in values which are the lag in each, by ``THE_LAG`` there."""
    laws: list[dict[str, Any]] = []
    for (a, lag_a), (b, lag_b) in combinations([(_values(trial), lag_of(trial)) for trial in trials], 2):
        differing = [key for key in a | b if a.get(key) != b.get(key)]
        if differing and all((a.get(key), b.get(key)) == (lag_a, lag_b) for key in differing):
            law = a | dict.fromkeys(differing, THE_LAG)
            laws += [law] if law not in laws else []
    return laws


def _follows(trial: Record, law: Mapping[str, Any]) -> bool:
    return _values(trial) == {key: lag_of(trial) if value == THE_LAG else value for key, value in law.items()}


def horizons(records: Sequence[Record]) -> list[Horizon]:
    """The horizons that some runs tell of, those of a data set together and the furthest first."""
    by_cell: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        choices = record.config["choices"]
        by_cell[choices["data"], choices["cell"]].append(record)
    found = []
    for (data, cell), of_the_cell in by_cell.items():
        groups = _experiments(of_the_cell)
        told = differences(
            [{key: members[0].config[key] for key in ("choices", "seed")} | values for values, members in groups]
        )
        for (_, members), differing in zip(groups, told, strict=True):
            trials = tuple(record for record in members if record.solved is not None)
            lost = tuple(record for record in members if record.solved is None)
            found.append(Horizon(data, cell, differing, trials, lost))
    return sorted(found, key=lambda h: (h.data, -h.half.lag.steps, -h.half.lag.sign) if h.trials else (h.data, 1, 0))
