"""From a command to a checked, resolved configuration; and from Hydra's many exceptions to one line for a person.

Values are checked before anything heavy is imported. Three rules need nothing from a plug-in's author: a key must exist
in the YAML, a value must be of the type that the YAML's default has, and a ``_target_`` must exist.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from seqlab import plugins
from seqlab.errors import ConfigError, suggestion
from seqlab.identity import group_of
from seqlab.runs import Run

CONFIG_NAME = "train"
SPINE = (*plugins.GROUPS[:-1], "budget", "published", "seed", "threads", "runs_dir")
"""The keys at the root of a configuration."""
LIMITS = ("parameters", "state")
"""What a budget may limit."""


@dataclass(frozen=True)
class Range:
    """What a number may be: an integer or a real, from ``low`` (included, unless ``open``) to below ``high``."""

    kind: type
    low: float
    high: float = float("inf")
    open: bool = False
    optional: bool = False
    also: tuple[float, ...] = ()

    def __contains__(self, value: object) -> bool:
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(value, int | self.kind):
            return False
        above = self.low < value if self.open else self.low <= value
        return value in self.also or (above and value < self.high)

    def __str__(self) -> str:
        noun = "an integer" if self.kind is int else "a number"
        bound = f"{'above' if self.open else 'of at least'} {self.low:g}"
        below = f" and below {self.high:,.0f}" if self.high < float("inf") else ""
        return f"{noun} {bound}{below}{''.join(f', or {value:g}' for value in self.also)}"


RANGES = {
    "budget.parameters": Range(int, 1, optional=True),
    "budget.state": Range(int, 1, optional=True),
    "seed": Range(int, 0),
    "threads": Range(int, 1),
    "data.batch_size": Range(int, 1),
    "data.length": Range(int, 1),
    "data.test_length": Range(int, 1, optional=True),
    "data.eval_batch_size": Range(int, 1, optional=True),
    "data.train_size": Range(int, 1),
    "data.val_size": Range(int, 1),
    "data.test_size": Range(int, 1),
    "data.vocabulary_size": Range(int, 1, optional=True),
    "data.distractors": Range(int, 1, optional=True),
    "data.set": Range(int, 0),
    "data.n_seq": Range(int, 1),
    "data.pool": Range(int, 1),
    "data.n_mels": Range(int, 1),
    "data.frame": Range(int, 1),
    "data.seconds": Range(float, 0, open=True, optional=True),
    "data.days": Range(int, 1),
    "data.folds": Range(int, 1),
    "model.embedding_size": Range(int, 1, optional=True),
    "model.init": Range(float, 0, optional=True),
    "model.smoothing": Range(float, 0),
    "cell.init": Range(float, 0),
    "cell.hidden_size": Range(int, 1, 1_000_000),
    "cell.num_layers": Range(int, 1),
    "cell.dropout": Range(float, 0, 1),
    "cell.chrono": Range(float, 2, optional=True),
    "optimizer.lr": Range(float, 0, open=True),
    "optimizer.weight_decay": Range(float, 0),
    "trainer.devices": Range(int, 1),
    "trainer.num_nodes": Range(int, 1),
    "trainer.max_epochs": Range(int, 1, optional=True, also=(-1,)),
    "trainer.max_steps": Range(int, 1, also=(-1,)),
    "trainer.accumulate_grad_batches": Range(int, 1),
    "trainer.gradient_clip_val": Range(float, 0, open=True, optional=True),
}
"""Numbers that mean the same in every plug-in that has them."""


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
    _check_choices(chosen, origin.config_dir)
    config = _sized(_fitted(config, origin), origin)
    resolved = _resolve(config)
    _check_keys(resolved)
    _check_types(resolved, origin)
    _check_ranges(resolved)
    _check_targets(resolved, chosen)
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
    return override.type == OverrideType.CHANGE and not is_choice(override.key_or_group)


def without_hydra(config: DictConfig) -> DictConfig:
    """The configuration without Hydra's own part."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _resolve(config: DictConfig) -> dict[str, Any]:
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(f"{missing[0]}: no value is set. Give one with {missing[0]}=VALUE.")
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]
    except InterpolationResolutionError as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}.") from None


def _check_choices(chosen: Mapping[str, str | None], config_dir: Path | None) -> None:
    for group in ("data", "cell", "model", "task"):
        known = plugins.options(group, config_dir)
        if not chosen[group]:
            raise ConfigError(f"{group}: nothing is chosen. Available: {plugins.listed(known)}.")
        option = known.get(str(chosen[group]))
        if option and len(option.providers) > 1:
            raise ConfigError(
                f"{group}={option.name} is offered by {' and by '.join(option.providers)}. Rename one of the two files."
            )


def _check_keys(resolved: dict[str, Any]) -> None:
    for key in resolved:
        if key not in SPINE:
            raise ConfigError(f"{key}: no such key.{suggestion(key, SPINE)} Available: {', '.join(SPINE)}.")


def _fitted(config: DictConfig, origin: Origin) -> DictConfig:
    """The configuration without what an experiment says of its own cell, where a person has chosen another one.

    Keys that this one does not have go, and values of another type than its own; what the person wrote stays, for the
    cell to judge.
    """
    parsed = OverridesParser.create().parse_overrides(list(origin.overrides))
    given = {override.key_or_group: override.input_line for override in parsed}
    if not {"cell", "experiment"} <= given.keys():
        return config
    known = _defaults((*_searched(origin.config_dir), given["cell"])).cell
    kept = [key for key in config.cell if key in known or f"cell.{key}" in given]
    fitted = copy.deepcopy(config)
    fitted.cell = OmegaConf.masked_copy(config.cell, kept)
    for key in kept:
        if f"cell.{key}" not in given and not _same_type(known[key], config.cell[key]):
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
    for override in OverridesParser.create().parse_overrides(list(origin.overrides)):
        if override.key_or_group == "cell.hidden_size":
            raise ConfigError(
                f"{override.input_line}: contradicts budget.{name}={value}, by which the size is found. Leave it away, "
                f"or set {' '.join(f'budget.{name}=null' for name in limits)}."
            )
    sized = copy.deepcopy(config)
    sized.budget = limits
    sized.cell = OmegaConf.masked_copy(config.cell, [key for key in config.cell if key != "hidden_size"])
    return sized


def _check_types(resolved: dict[str, Any], origin: Origin) -> None:
    """An overridden value must be of the type that it replaces; the trainer's keys are Lightning's to judge."""
    parsed = OverridesParser.create().parse_overrides(list(origin.overrides))
    choices = (o.input_line for o in parsed if is_choice(o.key_or_group))
    defaults, given = _defaults((*_searched(origin.config_dir), *choices)), OmegaConf.create(resolved)
    for override in parsed:
        key = override.key_or_group
        if override.is_delete() or override.is_add() or is_choice(key) or key.startswith(("trainer.", "hydra")):
            continue
        before, now = OmegaConf.select(defaults, key), OmegaConf.select(given, key)
        if not _same_type(before, now):
            raise ConfigError(
                f"{key}: {_written(now)} is {_noun(now)}; expected {_noun(before)}, such as {_written(before)}."
            )


def _same_type(before: Any, now: Any) -> bool:
    if before is None or now is None:
        return True
    if isinstance(before, float) and isinstance(now, int):
        return not isinstance(now, bool)
    if OmegaConf.is_config(before):
        return OmegaConf.is_config(now)
    return type(before) is type(now)


def _noun(value: Any) -> str:
    names = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    return next((noun for kind, noun in names.items() if type(value) is kind), "a list or a mapping")


def _written(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _check_ranges(resolved: dict[str, Any]) -> None:
    for key, allowed in RANGES.items():
        section, _, name = key.rpartition(".")
        values = resolved.get(section, {}) if section else resolved
        for value in _each(values[name], section) if name in values else []:
            if value not in allowed:
                raise ConfigError(f"{key}: got {_written(value)}; expected {allowed}.")


def _each(value: Any, section: str) -> list[Any]:
    """The numbers of a key: a plug-in may have a list where others have one."""
    return value if isinstance(value, list) and section in plugins.GROUPS else [value]


def _check_targets(resolved: dict[str, Any], chosen: Mapping[str, str | None]) -> None:
    for key, target in _targets(resolved):
        fault = plugins.target_fault(target)
        if fault:
            group = key.partition(".")[0]
            raise ConfigError(f"{group}={chosen.get(group)}: its class {target} cannot be used: {fault}")


def _targets(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "_target_":
                yield key, str(value)
            else:
                yield from _targets(value, f"{key}.{name}" if key else name)


def is_choice(key: str) -> bool:
    """Whether an override's key chooses an option, and does not set a value."""
    return key.partition("@")[0] in plugins.GROUPS or key.startswith("hydra/")


@lru_cache(maxsize=64)
def _defaults(choices: tuple[str, ...]) -> DictConfig:
    """The configuration that the chosen options alone give, before any value is overridden."""
    loader = GlobalHydra.instance().config_loader()
    return loader.load_configuration(CONFIG_NAME, list(choices), run_mode=RunMode.RUN, validate_sweep_overrides=False)
