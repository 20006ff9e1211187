"""Hydra's door to ``seqlab.search``: ``hydra/sweeper=optuna`` (Hydra 1.3 finds sweepers only here)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from hydra_plugins.seqlab_sweep import AdaptiveSweeper


class SearchSweeper(AdaptiveSweeper):
    """A search over what the command gives several values.

    Args:
        params: more of the space, and fixed values, by key; the command wins.
        plan: what ``seqlab.search.search.Plan`` is made of.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, **plan: Any):
        self.params, self.plan = params or {}, plan

    def sweep(self, arguments: list[str]) -> None:
        """Make the search, and print what it came to.

        Raises:
            ConfigError: no Optuna, or a search that cannot be; nothing was started.
            SweepFailed: every trial failed.
        """
        from seqlab.errors import ConfigError

        if find_spec("optuna") is None:
            raise ConfigError(
                "hydra/sweeper=optuna: Optuna is not installed. Get it with: pip install 'seqlab[search]'"
            )
        from seqlab.search.search import Plan, Search
        from seqlab.search.space import parse
        from seqlab.search.table import show

        plan = Plan(**self.plan)
        space, fixed = parse([*(f"{key}={value}" for key, value in self.params.items()), *arguments], self.loader)
        search = Search(plan, space, fixed, self.launcher.freeze, self.launcher.make_engine())
        if self.launcher.dry_run:
            search.rehearse()
            return
        trials = search.make()
        show(search, trials, lambda overrides, seeds: self._command([*fixed, *overrides], seeds))
        search.check(trials)

    def _command(self, overrides: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """The command that makes an experiment, for as many seeds as one command can."""
        hydra = self.config.hydra
        given = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
        words = ["seqlab", "train", *(f"--config-dir={folder}" for folder in given)]
        if any(word.startswith("hydra/sweeper=") for word in hydra.overrides.hydra):
            return [*words, "-m", *overrides, f"seed={','.join(map(str, seeds))}"]
        return [*words, *overrides, f"seed={seeds[0]}"]  # with -m the file that chose this sweeper would search again
