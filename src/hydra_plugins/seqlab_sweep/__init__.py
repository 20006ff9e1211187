"""Hydra's door to ``seqlab.sweep`` and its engines: ``hydra/launcher=local`` (Hydra 1.3 finds launchers only here)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from seqlab.engines.base import Engine
    from seqlab.runs import Run


class SweepLauncher(Launcher):
    """All jobs of a sweep, made by an engine.

    Args:
        engine: the class of the engine, such as ``seqlab.engines.local.Local``.
        dry_run: only say what there would be to do, and what it would cost.
        options: what the engine is made with.
    """

    def __init__(self, engine: str, dry_run: bool = False, **options: Any):
        self.engine, self.dry_run, self.options = engine, dry_run, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``launch``."""
        from seqlab.config import Jobs

        self.config, self.jobs = config, Jobs(hydra_context.config_loader, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Freeze and check the configuration of every job, then make them all."""
        from seqlab.rehearsal import show
        from seqlab.sweep import make_all

        runs = [self.freeze(overrides) for overrides in job_overrides]
        if self.dry_run:
            show(runs)
        else:
            make_all(runs, self.make_engine())
        return [
            JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=run.status.score)
            for overrides, run in zip(job_overrides, runs, strict=True)
        ]

    def freeze(self, overrides: Sequence[str]) -> Run:
        """The checked run of one job."""
        return self.jobs.freeze(overrides)

    def make_engine(self) -> Engine:
        """The engine, with its options."""
        from hydra.utils import get_class

        return get_class(self.engine)(**self.options)


class AdaptiveSweeper(Sweeper):
    """What decides by the runs before which it makes next; it has them made by the launcher's engine."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``sweep``.

        Raises:
            ConfigError: the launcher is Hydra's own, and has no engine.
        """
        from seqlab.errors import ConfigError

        self.loader, self.config = hydra_context.config_loader, config
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        if not isinstance(launcher, SweepLauncher):
            raise ConfigError(
                f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']}: a search needs one of "
                "seqlab's own, which make a run in a process of its own, such as hydra/launcher=local."
            )
        self.launcher = launcher


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper over all combinations; only that a launcher which checks every job is trusted to do so."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose each job, for launchers that do not."""
        if not isinstance(self.launcher, SweepLauncher):
            super().validate_batch_is_legal(batch)
