"""The rules that every configuration must keep, before anything heavy is imported.

Three need nothing from a plug-in's author: a key must exist in the YAML, a value must be of the type that the YAML's
default has, and a ``_target_`` must exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from seqlab import plugins
from seqlab.errors import ConfigError, suggestion
from seqlab.ranges import RANGES

SPINE = (*plugins.GROUPS[:-1], "budget", "published", "seed", "threads", "runs_dir")
"""The keys at the root of a configuration."""


def check_choices(chosen: Mapping[str, str | None], config_dir: Path | None) -> None:
    """Each group that a run cannot do without has an option, which one provider alone offers.

    Args:
        chosen: the option of each group.
        config_dir: the folder given with ``--config-dir``.

    Raises:
        ConfigError: it is not so.
    """
    for group in ("data", "cell", "model", "task"):
        known = plugins.options(group, config_dir)
        if not chosen[group]:
            raise ConfigError(f"{group}: nothing is chosen. Available: {plugins.listed(known)}.")
        option = known.get(str(chosen[group]))
        if option and len(option.providers) > 1:
            raise ConfigError(
                f"{group}={option.name} is offered by {' and by '.join(option.providers)}. Rename one of the two files."
            )


def check(
    resolved: dict[str, Any], chosen: Mapping[str, str | None], given: Sequence[Override], defaults: DictConfig
) -> None:
    """Keys, types, numbers and classes are what they may be.

    Args:
        resolved: the configuration with every value resolved.
        chosen: the option of each group.
        given: what the person wrote.
        defaults: the configuration that the chosen options alone give.

    Raises:
        ConfigError: an unknown key, a wrong type, a number out of range, a class that does not exist.
    """
    _check_keys(resolved)
    _check_types(resolved, given, defaults)
    _check_ranges(resolved)
    _check_targets(resolved, chosen)


def _check_keys(resolved: dict[str, Any]) -> None:
    for key in resolved:
        if key not in SPINE:
            raise ConfigError(f"{key}: no such key.{suggestion(key, SPINE)} Available: {', '.join(SPINE)}.")


def _check_types(resolved: dict[str, Any], given: Sequence[Override], defaults: DictConfig) -> None:
    """An overridden value must be of the type that it replaces; the trainer's keys are Lightning's to judge."""
    config = OmegaConf.create(resolved)
    for override in given:
        key = override.key_or_group
        if override.is_delete() or override.is_add() or plugins.is_choice(key) or key.startswith(("trainer.", "hydra")):
            continue
        before, now = OmegaConf.select(defaults, key), OmegaConf.select(config, key)
        if not same_type(before, now):
            raise ConfigError(
                f"{key}: {_written(now)} is {_noun(now)}; expected {_noun(before)}, such as {_written(before)}."
            )


def same_type(before: Any, now: Any) -> bool:
    """Whether a value may take the place of another: an integer that of a real, and anything that of null."""
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
