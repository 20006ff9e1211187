"""The search: trials are proposed, made of runs by an engine, and judged by their means over seeds on validation.

A trial is one experiment, and its value is the mean over its seeds of the main metric on validation, at the checkpoints
that validation chose. Trials go in batches. The runs of a batch are made together: first two seeds of every trial, then
as many again, and so on; between two such looks the pruner may drop a trial, which therefore is never judged by one
seed. What a trial draws depends on the batches before its own alone, so a search that was killed goes on to the same
trials; and what its runs came to is read off their folders, so nothing is made twice.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from seqlab import rehearsal
from seqlab.compare.statistics import mean, written
from seqlab.engines.base import Engine
from seqlab.errors import ConfigError, Diverged, SweepFailed, suggestion
from seqlab.ledger import Status, status
from seqlab.ranges import Range
from seqlab.runs import Run
from seqlab.search.space import Dimension, grid
from seqlab.search.storage import Goal, Storage
from seqlab.sweep import make_all

log = logging.getLogger(__name__)

FIRST_LOOK = 2
"""Seeds after which a trial is first judged: one says nothing of the spread between seeds."""

SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}
"""By name, what proposes parameters. ``grid`` is the third; it needs no history, and so no sampler."""

PRUNERS: Mapping[str, BasePruner | None] = {"median": MedianPruner(), "none": None}
"""By name, what drops trials."""

NUMBERS = {"n_trials": Range(int, 1), "n_jobs": Range(int, 1), "seed": Range(int, 0)}


@dataclass(frozen=True)
class Plan:
    """What is asked of a search, beside its space.

    Attributes:
        n_trials: how many trials there will be in all.
        n_jobs: how many are proposed together.
        seeds: of every trial.
        sampler: ``grid``, or the name of one of ``SAMPLERS``.
        pruner: the name of one of ``PRUNERS``.
        seed: the sampler's.
        study: the name of the search; ``None`` for one made of what is searched and fixed.

    Raises:
        ConfigError: a value that cannot be.
    """

    n_trials: int
    n_jobs: int
    seeds: Sequence[int]
    sampler: str
    pruner: str
    seed: int
    study: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in NUMBERS.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"hydra.sweeper.{name}: got {getattr(self, name)}; expected {allowed}.")
        for name, known in (("sampler", (*SAMPLERS, "grid")), ("pruner", tuple(PRUNERS))):
            given = getattr(self, name)
            if given not in known:
                hint = suggestion(str(given), known)
                raise ConfigError(f"hydra.sweeper.{name}={given}: no such {name}.{hint} Available: {', '.join(known)}.")
        seeds = self.seeds if isinstance(self.seeds, Sequence) else [self.seeds]
        if any(seed not in Range(int, 0) for seed in seeds) or len(set(seeds)) != len(seeds):
            raise ConfigError(f"hydra.sweeper.seeds: got {seeds}; expected different integers of at least 0.")
        if len(seeds) < FIRST_LOOK:
            raise ConfigError(
                f"hydra.sweeper.seeds: got {seeds}; expected at least {FIRST_LOOK}, since one run does not tell a "
                "good value from a lucky seed."
            )
        if self.study is not None and (not self.study or set(self.study) & set("/\\")):
            raise ConfigError(f"hydra.sweeper.study={self.study}: not the name of a file.")

    @property
    def looks(self) -> list[int]:
        """After how many of its seeds a trial is looked at: 2, 4, 8, ... and all, or all where nothing is pruned."""
        n = len(self.seeds)
        if PRUNERS[self.pruner] is None:
            return [n]
        return [*itertools.takewhile(lambda k: k < n, (FIRST_LOOK * 2**i for i in itertools.count())), n]


class Search:
    """A search, from its space to its judged trials.

    Args:
        plan: what is asked of it.
        space: what is searched.
        fixed: the overrides that all trials share.
        freeze: the checked run that some overrides describe.
        engine: where runs are made.

    Raises:
        ConfigError: a value of the space cannot be used; nothing was started.
        OutputError: the runs' folder cannot be written.
    """

    def __init__(
        self,
        plan: Plan,
        space: Sequence[Dimension],
        fixed: Sequence[str],
        freeze: Callable[[Sequence[str]], Run],
        engine: Engine,
    ):
        self.plan, self.space, self.fixed, self.freeze, self.engine = plan, space, fixed, freeze, engine
        self.total = min(plan.n_trials, grid(space)) if plan.sampler == "grid" else plan.n_trials
        base = self._probed()
        self.runs_dir = Path(base.config["runs_dir"])
        identity = "\n".join([base.config["group"], *map(str, space), plan.sampler, str(plan.seed), plan.pruner])
        name = f"{base.config['choices']['data']}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        self.goal: Goal | None = None  # nobody knows before a first run has said
        self.storage = Storage(self.runs_dir / ".search", plan.study or name, identity)

    def _probed(self) -> Run:
        """Check each value of the space that stands for others, before anything is made; the first of the runs."""
        first = {dimension.key: dimension.override(dimension.probes[0]) for dimension in self.space}
        runs = [self._run(list(first.values()), self.plan.seeds[0])]
        for dimension in self.space:
            for value in dimension.probes[1:]:
                varied = {**first, dimension.key: dimension.override(value)}
                runs.append(self._run(list(varied.values()), self.plan.seeds[0]))
        for group in ("data", "task"):
            chosen = {str(run.config["choices"].get(group)): None for run in runs}
            if len(chosen) > 1:
                raise ConfigError(
                    f"{group}={','.join(chosen)}: what differs in its {group} cannot be compared, so {group} is not "
                    "searched. Make a search for each."
                )
        if runs[0].is_trial:
            raise ConfigError("trainer.fast_dev_run: such a run makes no result, so there is nothing to search by.")
        return runs[0]

    def rehearse(self) -> None:
        """Print how many runs there would be at most, and what one would take, with each first value of the space."""
        trials, seeds = self.total, len(self.plan.seeds)
        log.info(
            "search %s: %d trials over %d seeds, %d runs at most", self.storage.name, trials, seeds, trials * seeds
        )
        rehearsal.show([self._run([each.override(each.probes[0]) for each in self.space], self.plan.seeds[0])])

    def make(self) -> list[FrozenTrial]:
        """Make what is missing of the search, and return its trials as they are then.

        Raises:
            Interrupted: a person stopped it; the same command goes on.
            OutputError: the folders cannot be made.
            Busy: another process holds the trials and does not let go.
        """
        again = self.storage.amend(self._settled)
        trials = self.trials
        log.info(
            "search %s: %d trials over %d seeds, %d judged already%s",
            self.storage.name,
            max(self.total, len(trials)),
            len(self.plan.seeds),
            sum(trial.state.is_finished() for trial in trials),
            f", {again} to be judged again" if again else "",
        )
        while batch := self._batch():
            for look in self.plan.looks:
                self._make_runs(batch, look)
                if self.engine.detached and any(_on_its_way(s) for trial in batch for s in self._statuses(trial, look)):
                    log.info("The same command goes on with the search when they have ended.")
                    return self.trials
                batch = self._judged(batch, look)
        return self.trials

    def check(self, trials: Sequence[FrozenTrial]) -> None:
        """Refuse a search that came to nothing; one in which some trials failed has found that out, and succeeded.

        Raises:
            SweepFailed: every trial failed.
        """
        if all(trial.state == TrialState.FAIL for trial in trials):
            states = [{each.state for each in self._statuses(trial, len(self.plan.seeds))} for trial in trials]
            code = Diverged.exit_code if all("diverged" in each for each in states) else SweepFailed.exit_code
            raise SweepFailed(f"{len(trials)} of {len(trials)} trials failed, so there is no best one.", code)

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials as they stand."""
        with self.storage.open() as study:
            return study.trials

    @property
    def metric(self) -> Mapping[str, Any] | None:
        """What is measured, as the runs say; ``None`` while none has finished."""
        statuses = (each for trial in self.trials for each in self._statuses(trial, len(self.plan.seeds)))
        return next((status.summary["metric"] for status in statuses if status.score is not None), None)

    def overrides(self, parameters: Mapping[str, Any]) -> list[str]:
        """The parameters of a trial as they are written on the command line."""
        return [dimension.override(parameters[dimension.key]) for dimension in self.space]

    def _batch(self) -> list[FrozenTrial]:
        """The trials to be made next: what is left of a batch that was begun, or a new one; none at the end."""
        with self.storage.open() as study:
            while True:
                trials = study.trials
                first = next((trial.number for trial in trials if not trial.state.is_finished()), len(trials))
                if first >= max(self.total, len(trials)):
                    return []
                end = (first // self.plan.n_jobs + 1) * self.plan.n_jobs
                for number in range(len(trials), min(end, self.total)):
                    study.add_trial(self._proposed(study, number))
                batch = [trial for trial in study.trials[first:end] if not trial.state.is_finished()]
                if batch:  # else none of them made a valid configuration
                    return batch

    def _proposed(self, study: optuna.Study, number: int) -> FrozenTrial:
        """A new trial, not yet made; or failed, where its parameters together make no valid configuration."""
        distributions = {dimension.key: dimension.distribution for dimension in self.space}
        parameters = self._drawn(study, number, distributions)
        try:
            group = self._run(self.overrides(parameters), self.plan.seeds[0]).config["group"]
            state, attrs = TrialState.RUNNING, {"group": group}
        except ConfigError as error:
            state, attrs = TrialState.FAIL, {"cause": str(error)}
            log.info("trial %d failed: %s", number, error)
        return optuna.create_trial(state=state, params=parameters, distributions=distributions, user_attrs=attrs)

    def _drawn(self, study: optuna.Study, number: int, distributions: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a trial, which depend on its number and on the trials before it alone."""
        if self.plan.sampler == "grid":
            points = list(itertools.product(*(dimension.points for dimension in self.space)))
            random.Random(self.plan.seed).shuffle(points)  # so that a part of the grid is a fair part
            return dict(zip(distributions, points[number], strict=True))
        seed = int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0])
        # in memory, since a process killed while Optuna draws would leave half a trial
        drawing = optuna.create_study(direction=study.direction, sampler=SAMPLERS[self.plan.sampler](seed))
        drawing.add_trials(study.trials)
        return drawing.ask(dict(distributions)).params

    def _make_runs(self, batch: Sequence[FrozenTrial], look: int) -> None:
        runs = [self._run(self.overrides(t.params), seed) for t in batch for seed in self.plan.seeds[:look]]
        runs = [run for run in runs if run.status.state != "diverged"]  # it would diverge again
        try:
            if runs:
                make_all(runs, self.engine)
        except SweepFailed:
            pass  # each has been told of as it ended, and makes its trial fail

    def _judged(self, batch: Sequence[FrozenTrial], look: int) -> list[FrozenTrial]:
        """Say what a batch came to after some seeds; the trials that go on."""
        reached = {trial.number: self._statuses(trial, look) for trial in batch}
        goal = next(
            (s.summary["metric"]["goal"] for each in reached.values() for s in each if s.score is not None), None
        )
        if goal not in (None, self.goal):
            self.storage.amend(lambda _: True, goal)
            self.goal = goal
        with self.storage.open() as study:
            for trial in study.trials:
                if trial.number in reached and not trial.state.is_finished():  # or somebody else was faster
                    self._judge(study, trial, reached[trial.number])
            return [trial for trial in study.trials if trial.number in reached and not trial.state.is_finished()]

    def _judge(self, study: optuna.Study, trial: FrozenTrial, statuses: Sequence[Status]) -> None:
        """Complete, pruned, failed, or good enough to go on: one trial by what its runs came to."""
        handle = optuna.trial.Trial(study, trial._trial_id)
        lost = [status for status in statuses if _score(status) is None]
        if lost:
            cause = f"{lost[0].id}: {lost[0].state}: {lost[0].cause or 'no finite score on validation'}"
            handle.set_user_attr("cause", cause)
            study.tell(trial.number, state=TrialState.FAIL)
            log.info("trial %d failed: %s", trial.number, cause)
            return
        average, look = mean([each.score for each in statuses if each.score is not None]), len(statuses)
        handle.set_user_attr("scores", self._scores(statuses))
        if look not in trial.intermediate_values:
            handle.report(average.value, look)
        if look == len(self.plan.seeds):
            state = TrialState.COMPLETE
        elif look > trial.user_attrs.get("passed", 0) and self._is_dropped(study, trial, look, average.value):
            state = TrialState.PRUNED
        else:
            handle.set_user_attr("passed", look)
            return
        study.tell(trial.number, average.value if state == TrialState.COMPLETE else None, state=state)
        told = f"{state.name.lower()} at {written(average)} over {look} seeds"
        log.info("trial %d %s: %s", trial.number, told, " ".join(self.overrides(trial.params)))

    def _is_dropped(self, study: optuna.Study, trial: FrozenTrial, look: int, value: float) -> bool:
        """Whether the pruner drops a trial, by this look alone and not by a luckier one before."""
        pruner = PRUNERS[self.plan.pruner]
        trial.intermediate_values = {look: value}
        return pruner is not None and pruner.prune(study, trial)

    def _settled(self, trial: FrozenTrial) -> bool:
        """Whether what is kept of a trial is what its run folders say, and all that is asked for."""
        if not trial.state.is_finished() or "group" not in trial.user_attrs:
            return True
        if trial.state == TrialState.FAIL:  # what failed for another reason is tried again, as in every sweep
            return any(status.state == "diverged" for status in self._statuses(trial, len(self.plan.seeds)))
        kept = trial.user_attrs.get("scores", {})
        n = len(self.plan.seeds) if trial.state == TrialState.COMPLETE else len(kept)
        return kept == self._scores(self._statuses(trial, n))

    def _statuses(self, trial: FrozenTrial, look: int) -> list[Status]:
        """What is true of a trial's runs with its first seeds."""
        if "group" not in trial.user_attrs:
            return []
        return [status(self.runs_dir / f"{trial.user_attrs['group']}-s{seed}") for seed in self.plan.seeds[:look]]

    def _scores(self, statuses: Sequence[Status]) -> dict[str, float | None]:
        """Scores by seed, as they are kept."""
        return {str(seed): _score(each) for seed, each in zip(self.plan.seeds, statuses, strict=False)}

    def _run(self, overrides: Sequence[str], seed: int) -> Run:
        return self.freeze([*self.fixed, *overrides, f"seed={seed}"])


def _score(status: Status) -> float | None:
    """A run's score, if it is a number to reckon with."""
    return status.score if status.score is not None and math.isfinite(status.score) else None


def _on_its_way(status: Status) -> bool:
    return status.state in ("missing", "running")
