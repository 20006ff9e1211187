"""From Hydra's many exceptions to one line for a person."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from seqlab import plugins
from seqlab.config import CONFIG_NAME
from seqlab.errors import ConfigError, InputError, suggestion

OFF = "callbacks", "logger"
"""Groups that a run can do without."""
NO_NAME = re.compile(r"null|true|false|[-+]?[\d._]+(e[-+]?\d+)?", re.IGNORECASE)
"""What is no text in Hydra's grammar of values."""


def explain(error: Exception, arguments: Sequence[str], words: Sequence[str] = ()) -> InputError:
    """The one line that a person needs, for an exception that composing a configuration raised.

    Args:
        error: what Hydra, OmegaConf or the YAML reader raised.
        arguments: the command, to name what was asked for.
        words: the verb's own, which may be given beside keys.
    """
    text = str(error)
    config_dir = _dir_argument(arguments)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        path = str(error.missing_cfg_file)
        ours = path.partition("/")[0] in plugins.GROUPS  # whose options may lie in folders: experiment=paper/row
        group, _, name = path.partition("/") if ours else path.rpartition("/")
        known = plugins.options(group, config_dir)
        noun = {"data": "data set"}.get(group, group)
        in_folders = {option.rpartition("/")[2]: option for option in known if "/" in option}
        hint = suggestion(in_folders.get(name, name), known)
        rest = f" All of them: seqlab list {group}." if in_folders else ""
        return ConfigError(f"{group}={name}: no such {noun}.{hint} Available: {plugins.listed(known)}.{rest}")
    if isinstance(error, OverrideParseException) or "Ambiguous value" in text:
        if "Ambiguous value" in text:
            wanted = text.splitlines()[0].rpartition("argument ")[2].strip("'")
            return ConfigError(f"{wanted}: several values make a sweep. Add -m, or put the list in brackets.")
        wanted = getattr(error, "override", "")
        return ConfigError(f"{wanted}: not of the form key=value ({text.splitlines()[0]}).")
    if isinstance(error, YAMLError):
        mark = getattr(error, "problem_mark", None)
        where = f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return ConfigError(f"{where}not valid YAML ({getattr(error, 'problem', text)}).")
    if "group override must be a string" in text and (choice := _without_a_name(arguments)):
        group, value = choice
        off = f" ~{group} turns all of them off." if group in OFF else ""
        known = plugins.options(group, config_dir)
        return ConfigError(f"{group}={value}: not the name of an option. Available: {plugins.listed(known)}.{off}")
    if "Sweeping over Hydra's configuration" in text:
        wanted = text.rpartition(" : ")[2].strip("'").removeprefix("hydra.sweeper.")
        return ConfigError(f"{wanted}: several values of it make no sweep. Give one, or put the list in brackets.")
    if there := re.search(r"Could not append to[^']*'([^']+)'", text):
        return ConfigError(f"+{there[1]}: there is such a key already. Leave the + away.")
    unknown = re.search(r"Could not (?:override|delete)[^']*'([^']+)'", text)
    if unknown and unknown[1] == "hydra.launcher.detach":
        return ConfigError("--detach: runs of this launcher end with the command. Those of hydra/launcher=slurm go on.")
    if unknown and unknown[1] == "hydra.launcher.dry_run":
        return ConfigError("--dry-run: this launcher is Hydra's own and cannot. Leave hydra/launcher away for that.")
    if unknown:
        return _unknown_key(unknown[1], error, arguments, words)
    if isinstance(error, ConfigCompositionException | OmegaConfBaseException):
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
        key = getattr(cause, "full_key", None)
        return ConfigError(f"{f'{key}: ' if key else ''}{str(cause).splitlines()[0]}")
    return ConfigError(text.splitlines()[0] if text else error.__class__.__name__)


def _without_a_name(arguments: Sequence[str]) -> tuple[str, str] | None:
    """The first group that is given something else than the name of an option, and what it is given."""
    choices = (re.split("[@=]", argument) for argument in arguments if plugins.is_choice(argument.partition("=")[0]))
    given = ((group, value) for group, *_, values in choices for value in values.split(","))
    return next((choice for choice in given if NO_NAME.fullmatch(choice[1])), None)


def _dir_argument(arguments: Sequence[str]) -> Path | None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    return parser.parse_known_args(list(arguments))[0].config_dir


def _unknown_key(key: str, error: Exception, arguments: Sequence[str], words: Sequence[str]) -> ConfigError:
    """Names the closest known key, and what its parent holds."""
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):  # it has what was composed
        key, node = str(cause.full_key), cause.parent_node
    else:
        key, node = _where_it_ends(key, _chosen(arguments, key.startswith("hydra.")))
    parent, _, last = key.rpartition(".")
    names = [str(name) for name in node if parent or name != "hydra"] if isinstance(node, DictConfig) else []
    if not names:
        return ConfigError(f"{key}: no such key.")
    if not parent:
        names = [*words, *names]
    prefix = f"{parent}." if parent else ""
    available = ", ".join(name for name in names if name not in ("_target_", "_partial_", "defaults"))
    hint = suggestion(last, names).replace("mean ", f"mean {prefix}")
    return ConfigError(f"{key}: no such key.{hint} Available{f' in {parent}' if parent else ''}: {available}.")


def _chosen(arguments: Sequence[str], hydra: bool) -> DictConfig | None:
    """The configuration that the choices alone give; ``None`` where they are at fault, too."""
    from hydra import compose, initialize_config_dir

    choices = [argument for argument in arguments if plugins.is_choice(argument.partition("=")[0])]
    try:
        with initialize_config_dir(str(plugins.conf_dir()), version_base="1.3"):
            given = _dir_argument(arguments)
            extra = [f"hydra.searchpath=[{given.resolve().as_uri()}]"] if given else []
            plain = extra + [choice for choice in choices if "," not in choice]
            return compose(CONFIG_NAME, plain, return_hydra_config=hydra)
    except Exception:  # the person will hear of them next
        return None


def _where_it_ends(key: str, config: DictConfig | None) -> tuple[str, Any]:
    """As much of a key as leads to one that is not there, and what should hold that."""
    parent = key.rpartition(".")[0]
    node = OmegaConf.select(config, parent) if config and parent else config
    return (key, node) if isinstance(node, DictConfig) or not parent else _where_it_ends(parent, config)
