"""The search for horizons: for each experiment and seed the longest lag that is solved, by doubling and bisection.

Each trial is an ordinary run, which ends when it has solved its task or its training is over. Which lag is tried next
follows from what the run folders say of those before; so the same command goes on after any end, and makes nothing
twice.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seqlab import output, rehearsal
from seqlab.compare import horizon, horizon_view
from seqlab.compare.horizon import LAG, Reach
from seqlab.compare.read import Record
from seqlab.engines.base import Engine
from seqlab.errors import ConfigError, SweepFailed
from seqlab.ranges import Range
from seqlab.runs import Run
from seqlab.sweep import common_exit_code, make_all

log = logging.getLogger(__name__)

CALLBACKS = "callbacks=until_solved"
"""What makes a run a trial."""

NUMBERS = {"shortest": Range(int, 1), "longest": Range(int, 1), "precision": Range(float, 1, open=True)}


@dataclass(frozen=True)
class Plan:
    """What is asked of the search.

    Attributes:
        seeds: of every experiment; a number of them stands for those from 1 on.
        shortest: the lag that is tried first, in steps; nothing below it is.
        longest: the lag beyond which nothing is tried.
        precision: the ratio of two neighbouring lags, one solved and one not, at which the search ends.

    Raises:
        ConfigError: a value that cannot be.
    """

    seeds: int | Sequence[int]
    shortest: int
    longest: int
    precision: float

    def __post_init__(self) -> None:
        for name, allowed in NUMBERS.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name}={getattr(self, name)}: expected {allowed}.")
        if self.longest < self.shortest:
            raise ConfigError(
                f"longest={self.longest}: below shortest={self.shortest}. Raise the one or lower the other."
            )
        if not (self.seeds in Range(int, 1) or _are_different(self.seeds)):
            raise ConfigError(f"seeds={self.seeds}: expected how many, such as 5, or different ones, such as [1,2,3].")

    @property
    def numbers(self) -> Sequence[int]:
        """The seeds one by one."""
        return range(1, self.seeds + 1) if isinstance(self.seeds, int) else self.seeds

    def next(self, reach: Reach) -> int | None:
        """The lag to try a seed at next, by doubling and then by bisection; ``None`` once its horizon is found."""
        low, high = reach.solved, reach.failed
        if low is None:
            return self.shortest if high is None or high > self.shortest else None
        if high is None:
            return min(2 * low, self.longest) if low < self.longest else None
        middle = round(math.sqrt(low * high))
        return middle if low < middle < high and high > self.precision * low else None

    def check(self, words: Iterable[str]) -> None:
        """Refuse overrides of what the search itself chooses.

        Raises:
            ConfigError: for one of those.
        """
        chosen = {
            "seed": "seeds are given by seeds=5, or seeds=[1,2,3]",
            f"data.{LAG}": f"the lag is what is searched, from shortest={self.shortest} to longest={self.longest}",
            "callbacks": f"the search takes {CALLBACKS}; their values may be set, as callbacks.NAME.KEY=VALUE",
        }
        for word in words:
            if reason := chosen.get(word.partition("=")[0]):
                raise ConfigError(f"{word}: {reason}. Leave that away.")


def _are_different(seeds: object) -> bool:
    """Whether these are seeds, each once."""
    return (
        isinstance(seeds, list) and 0 < len(set(seeds)) == len(seeds) and all(seed in Range(int, 0) for seed in seeds)
    )


@dataclass(frozen=True)
class Seed:
    """One seed of one experiment, whose horizon is looked for.

    Attributes:
        overrides: the experiment, but for its lag and its seed.
        number: the seed.
    """

    overrides: tuple[str, ...]
    number: int


class Horizons:
    """The horizons of some experiments.

    Args:
        plan: what is asked of the search.
        experiments: the overrides of each.
        freeze: the checked run that some overrides describe.
        engine: where runs are made.

    Raises:
        ConfigError: an experiment cannot be used; nothing was started.
    """

    def __init__(
        self,
        plan: Plan,
        experiments: Sequence[Sequence[str]],
        freeze: Callable[[Sequence[str]], Run],
        engine: Engine,
    ):
        self.plan, self.freeze, self.engine = plan, freeze, engine
        self.tried: dict[Seed, dict[int, Record]] = {
            Seed((CALLBACKS, *experiment), number): {} for experiment in experiments for number in plan.numbers
        }
        for experiment in experiments:
            _check_lag(freeze([CALLBACKS, *experiment]))
        self.firsts = [self._run(seed, plan.shortest) for seed in self.tried]

    @property
    def records(self) -> list[Record]:
        """All trials so far."""
        return [record for tried in self.tried.values() for record in tried.values()]

    def check_data(self) -> None:
        """Refuse data whose task is never solved; not again where a trial has read them already.

        Raises:
            InputError: the data do not know what is best, or cannot be used.
        """
        for run in {run.config["choices"]["data"]: run for run in self.firsts if not run.folder.exists()}.values():
            rehearsal.apart(rehearsal.check_solved, run)

    def rehearse(self) -> None:
        """Print what the first trials would take: how many will follow, and at which lags, only these can tell."""
        rehearsal.show(self.firsts)

    def make(self) -> None:
        """Make what is missing.

        Raises:
            Interrupted: a person stopped it; the same command goes on.
            OutputError: the folders cannot be made.
        """
        while trials := self._next():
            with suppress(SweepFailed):  # told of as it ended: what diverged is not solved, what failed ends its seed
                make_all(list(trials.values()), self.engine)
            for seed, run in trials.items():
                self._look(seed, run)
            if self.engine.detached:
                log.info("The same command goes on with the search when they have ended.")
                return

    def show(self) -> None:
        """Print the horizons found, and draw them in a page beside the run folders."""
        found = horizon.horizons(self.records)
        horizon_view.show(found)
        output.save(Path(self.firsts[0].config["runs_dir"], "horizon.html"), horizon_view.drawn(found), "\nDrawn")

    def check(self) -> None:
        """Refuse a search in which some runs came to nothing; they have been told of.

        Raises:
            SweepFailed: with how many.
        """
        lost = [record.status for record in self.records if record.solved is None]
        if lost and not self.engine.detached:
            told = f"{len(lost)} of {len(self.records)} runs failed, so their seeds are left out."
            raise SweepFailed(told, common_exit_code(lost))

    def _next(self) -> dict[Seed, Run]:
        """The next trial of each seed whose horizon is not found yet."""
        trials = {}
        for seed, tried in self.tried.items():
            while all(record.solved is not None for record in tried.values()):
                lag = self.plan.next(Reach({lag: bool(record.solved) for lag, record in tried.items()}))
                if lag is None:
                    break
                run = self._run(seed, lag)
                if run.status.state not in ("finished", "diverged"):
                    trials[seed] = run
                    break
                self._look(seed, run)
        return trials

    def _look(self, seed: Seed, run: Run) -> None:
        self.tried[seed][run.config["data"][LAG]] = Record(run, run.status)

    def _run(self, seed: Seed, lag: int) -> Run:
        return self.freeze([*seed.overrides, f"data.{LAG}={lag}", f"seed={seed.number}"])


def _check_lag(run: Run) -> None:
    name, length = run.config["choices"]["data"], run.config["data"].get(LAG)
    if not isinstance(length, int):
        has = f"data.{LAG}={length}" if length else f"no data.{LAG}"
        raise ConfigError(
            f"data={name}: has {has}, and a horizon is looked for over lags of one number of steps. "
            "Take data that have one, such as data=copy or data=adding."
        )
