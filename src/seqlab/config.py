"""From a command to a checked, resolved configuration: what Hydra composed, made to fit, resolved and frozen."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from seqlab import checks, plugins
from seqlab.errors import ConfigError
from seqlab.identity import group_of
from seqlab.runs import Run

CONFIG_NAME = "train"
LIMITS = ("parameters", "state")
"""What a budget may limit."""
OF_MANY = ("callbacks", "logger")
"""Groups of any number of parts, each of which may be null: off, as if it were not there."""


@dataclass(frozen=True)
class Origin:
    """How a configuration came about.

    Attributes:
        overrides: what the person wrote.
        choices: the option of each config group.
        config_dir: the folder given with ``--config-dir``.
    """

    overrides: tuple[str, ...]
    choices: Mapping[str, str | None]
    config_dir: Path | None

    @classmethod
    def of(cls, hydra: DictConfig) -> Origin:
        """As Hydra's own part of a composed configuration tells."""
        given = [source.path for source in hydra.runtime.config_sources if "command-line" in source.provider]
        return cls(
            overrides=tuple(OmegaConf.to_container(hydra.overrides.task, resolve=False)),  # type: ignore[arg-type]
            choices={group: hydra.runtime.choices.get(group) for group in plugins.GROUPS},
            config_dir=Path(given[0]) if given else None,
        )

    @cached_property
    def given(self) -> list[Override]:
        """What the person wrote, understood."""
        return OverridesParser.create().parse_overrides(list(self.overrides))


def freeze(config: DictConfig, origin: Origin) -> Run:
    """The run that a composed configuration describes, with every value resolved and checked.

    Args:
        config: what was composed, without Hydra's own part.
        origin: how.

    Raises:
        ConfigError: an unknown key, a wrong type, a number out of range, a missing value, a class that does not exist.
    """
    chosen = origin.choices
    plugin_path = [str(origin.config_dir)] if origin.config_dir else []
    plugins.make_importable(plugin_path)
    checks.check_choices(chosen, origin.config_dir)
    config = _sized(_fitted(config, origin), origin)
    resolved = _resolve(config)
    checks.check(resolved, chosen, origin.given, _defaults(origin))
    pinned = _resolve(DictConfig(OmegaConf.merge(config, {"seed": 0})))
    group = group_of(pinned, str(chosen["data"]), str(chosen["cell"]))
    named = {
        "id": f"{group}-s{resolved['seed']}",
        "group": group,
        "choices": {name: choice for name, choice in chosen.items() if choice},
        "plugin_path": plugin_path,
        **resolved,
    }
    return Run(named, origin.overrides)


def composed(overrides: Sequence[str], config_dir: Path | None = None) -> Run:
    """The run that some overrides describe, as the command line would make it.

    Raises:
        InputError: as for ``freeze``, and whatever Hydra cannot compose.
    """
    with initialize_config_dir(str(plugins.conf_dir()), version_base="1.3"):
        config = compose(CONFIG_NAME, [*_searched(config_dir), *overrides], return_hydra_config=True)
        return freeze(without_hydra(config), Origin.of(config.hydra))


def _searched(config_dir: Path | None) -> tuple[str, ...]:
    """What makes Hydra look into a folder, too."""
    return (f"hydra.searchpath=[{config_dir.resolve().as_uri()}]",) if config_dir else ()


class Jobs:
    """The jobs of a sweep as runs.

    Hydra takes a tenth of a second to compose a configuration, which for a thousand jobs is minutes before the first
    starts. Jobs that choose the same options are therefore composed once, and only their values are set.

    Args:
        loader: Hydra's own.
        sweep: the configuration that the sweep was started with.
    """

    def __init__(self, loader: Any, sweep: DictConfig):
        self.loader, self.sweep = loader, sweep
        self.composed: dict[Any, tuple[DictConfig, Origin]] = {}

    def freeze(self, overrides: Sequence[str]) -> Run:
        """The checked run of one job.

        Raises:
            ConfigError: as for ``freeze``.
        """
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        values = [override for override in parsed if _sets_a_value(override)]
        others = [override.input_line for override in parsed if not _sets_a_value(override)]
        alike = (*others, *(override.key_or_group for override in values))
        if alike not in self.composed:
            config = self.loader.load_sweep_config(self.sweep, list(overrides))
            self.composed[alike] = without_hydra(config), Origin.of(config.hydra)
        config, origin = self.composed[alike]
        config = copy.deepcopy(config)  # a mapping is merged, and must not reach the next job
        for override in values:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return freeze(config, replace(origin, overrides=tuple(overrides)))


def _sets_a_value(override: Override) -> bool:
    return override.type == OverrideType.CHANGE and not plugins.is_choice(override.key_or_group)


def without_hydra(config: DictConfig) -> DictConfig:
    """The configuration without Hydra's own part."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _resolve(config: DictConfig) -> dict[str, Any]:
    """Plain values, without the parts that are off."""
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(f"{missing[0]}: no value is set. Give one with {missing[0]}=VALUE.")
        resolved: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    except InterpolationResolutionError as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}.") from None
    for group in OF_MANY:
        parts = resolved.get(group) or {}
        resolved[group] = {name: part for name, part in parts.items() if part is not None}
    return resolved


def _fitted(config: DictConfig, origin: Origin) -> DictConfig:
    """The configuration without what an experiment says of its own cell, where a person has chosen another one.

    Keys that this one does not have go, and values of another type than its own; what the person wrote stays, for the
    cell to judge.
    """
    given = {override.key_or_group: override.input_line for override in origin.given}
    if not {"cell", "experiment"} <= given.keys():
        return config
    known = _loaded((*_searched(origin.config_dir), given["cell"])).cell
    kept = [key for key in config.cell if key in known or f"cell.{key}" in given]
    fitted = copy.deepcopy(config)
    fitted.cell = OmegaConf.masked_copy(config.cell, kept)
    for key in kept:
        if f"cell.{key}" not in given and not checks.same_type(known[key], config.cell[key]):
            fitted.cell[key] = known[key]
    return fitted


def _sized(config: DictConfig, origin: Origin) -> DictConfig:
    """The configuration with a size for its cell or a budget to find one by, and without the other.

    A budget that limits nothing therefore leaves no trace in a run's identity, nor does a size that it replaces.

    Raises:
        ConfigError: a person gives both, the cell has no size to find, or there is something else in the budget.
    """
    budget = config.get("budget")
    if budget is not None and not (OmegaConf.is_dict(budget) and set(budget) <= set(LIMITS)):
        raise ConfigError(f"budget={budget}: expected budget.parameters=NUMBER, budget.state=NUMBER, or both.")
    limits = {name: value for name, value in budget.items() if value is not None} if budget else {}
    if not limits:
        return OmegaConf.masked_copy(config, [str(key) for key in config if key != "budget"])
    name, value = next(iter(limits.items()))
    if "hidden_size" not in config.cell:
        raise ConfigError(
            f"budget.{name}={value}: cell={origin.choices['cell']} has no key hidden_size to find a value for. "
            "Leave the budget away."
        )
    for override in origin.given:
        if override.key_or_group == "cell.hidden_size":
            raise ConfigError(
                f"{override.input_line}: contradicts budget.{name}={value}, by which the size is found. Leave it away, "
                f"or set {' '.join(f'budget.{name}=null' for name in limits)}."
            )
    sized = copy.deepcopy(config)
    sized.budget = limits
    sized.cell = OmegaConf.masked_copy(config.cell, [key for key in config.cell if key != "hidden_size"])
    return sized


def _defaults(origin: Origin) -> DictConfig:
    """The configuration that the chosen options alone give, before any value is overridden."""
    choices = (override.input_line for override in origin.given if plugins.is_choice(override.key_or_group))
    return _loaded((*_searched(origin.config_dir), *choices))


@lru_cache(maxsize=64)
def _loaded(choices: tuple[str, ...]) -> DictConfig:
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration(CONFIG_NAME, list(choices), run_mode=RunMode.RUN, validate_sweep_overrides=False)
