"""Hydra's door to ``seqlab.bisection``: ``hydra/sweeper=horizon``, as ``seqlab horizon`` has it."""

from __future__ import annotations

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_plugins.seqlab_sweep import AdaptiveSweeper


class HorizonSweeper(AdaptiveSweeper):
    """The horizon of every experiment that the command describes.

    Args:
        plan: what ``seqlab.bisection.Plan`` is made of.
    """

    def __init__(self, **plan: Any):
        self.plan = plan

    def sweep(self, arguments: list[str]) -> None:
        """Find the horizons, print them, and draw them.

        Raises:
            ConfigError: an experiment cannot be used; nothing was started.
            SweepFailed: some runs came to nothing.
        """
        from seqlab.bisection import Horizons, Plan

        plan = Plan(**self.plan)
        overrides = OverridesParser.create(config_loader=self.loader).parse_overrides(arguments)
        plan.check(override.input_line for override in overrides)
        (experiments,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
        horizons = Horizons(plan, experiments, self.launcher.freeze, self.launcher.make_engine())
        horizons.check_data()
        if self.launcher.dry_run:
            horizons.rehearse()
            return
        horizons.make()
        horizons.show()
        horizons.check()
