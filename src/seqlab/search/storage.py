"""The trials of a search, in SQLite below the runs: what was proposed, and what was last said of it.

The parameters of a trial are known from here alone. What its runs came to is known from their folders; what stands here
of it is a copy, for the sampler, the pruner and whoever opens the file with Optuna, and it is amended where the two
differ. Every access is under a lock, which the kernel frees, so any number of processes may make one search together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import optuna
from filelock import FileLock, Timeout
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from seqlab.errors import Busy, ConfigError, OutputError

Goal = Literal["min", "max"]

DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}
"""What Optuna calls a goal."""
PATIENCE = 60.0
"""Seconds after which whoever holds the trials is taken to hang; they are held for the time of a proposal."""
KEPT = ("group", "passed")
"""What stays true of a trial that is judged anew."""


class Storage:
    """The file of one search.

    Args:
        folder: where it lies.
        name: what the file and Optuna's study in it are called.
        identity: all that makes two searches one; a file of the same name with another is refused.

    Raises:
        OutputError: the folder cannot be made.
        ConfigError: the file holds another search.
    """

    def __init__(self, folder: Path, name: str, identity: str):
        self.path, self.name, self._checked = folder / f"{name}.db", name, False
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made ({error.strerror}). Choose runs_dir=FOLDER.") from None
        self._lock = FileLock(folder / f"{name}.lock", fallback_to_soft=False)
        with self.open() as study:
            held = study.user_attrs.get("identity")
            if held is None:
                study.set_user_attr("identity", identity)
            elif held != identity:
                raise ConfigError(
                    f"hydra.sweeper.study={name}: that study is of another search: its space, its fixed values, its "
                    f"sampler or its pruner differ. Choose another name, or leave it out; the file is {self.path}."
                )

    @contextmanager
    def open(self) -> Iterator[optuna.Study]:
        """The study, for this process alone.

        Raises:
            Busy: another process holds it and does not let go.
        """
        with self._held(), self._study(self.path) as study:
            yield study

    def amend(self, settled: Callable[[FrozenTrial], bool], goal: Goal | None = None) -> int:
        """Take up again the trials of which something else stands here than is true; how many there were.

        What Optuna calls finished it never changes, so the file is written anew and takes the old one's place whole.

        Args:
            settled: whether what stands here of a trial is true.
            goal: which values are better, where that is known.
        """
        with self._held():
            with self._study(self.path) as study:
                trials, attrs, before = study.trials, study.user_attrs, _goal(study)
            open_again = [trial.number for trial in trials if not settled(trial)]
            if not open_again and goal in (None, before):
                return 0
            scratch = self.path.with_name(f".{self.path.name}.tmp")
            scratch.unlink(missing_ok=True)
            with self._study(scratch, goal or before) as study:
                for name, value in attrs.items():
                    study.set_user_attr(name, value)
                study.add_trials(_reopened(trial) if trial.number in open_again else trial for trial in trials)
            os.replace(scratch, self.path)
            return len(open_again)

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            self._lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise Busy(f"{self.path}: another process holds this search and does not let go of it.") from None
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _study(self, path: Path, goal: Goal = "min") -> Iterator[optuna.Study]:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        known = path == self.path and self._checked  # to check the file's schema again takes longer than all the rest
        storage = RDBStorage(f"sqlite:///{path.resolve()}", skip_compatibility_check=known, skip_table_creation=known)
        self._checked = True
        try:
            direction = DIRECTIONS[goal]
            yield optuna.create_study(storage=storage, study_name=self.name, direction=direction, load_if_exists=True)
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _goal(study: optuna.Study) -> Goal:
    return "max" if study.direction == StudyDirection.MAXIMIZE else "min"


def _reopened(trial: FrozenTrial) -> FrozenTrial:
    return optuna.create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={name: trial.user_attrs[name] for name in KEPT if name in trial.user_attrs},
    )
