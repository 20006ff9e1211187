"""Where options come from: our ``conf/``, a ``--config-dir``, and installed packages; and whether their classes exist.

A plug-in is one class and one YAML. The folder of YAML files is the registry, so nothing here is a list of names,
and nothing here imports a plug-in: a broken one can be named without being able to do harm.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from seqlab.errors import suggestion

ENTRY_POINTS = "seqlab.configs"
"""The entry-point group: ``my_lab = "my_lab.conf"`` says where the package ``my_lab`` keeps its config groups."""


GROUPS = ("data", "cell", "model", "task", "optimizer", "scheduler", "trainer", "callbacks", "logger", "experiment")
"""The config groups, in the order in which data flows through them."""


def conf_dir() -> Path:
    """Our own ``conf/``: beside the package in a wheel, at the repository's root in a clone."""
    here = Path(__file__).resolve().parent
    for place in (here / "conf", here.parents[1] / "conf"):
        if (place / "train.yaml").is_file():
            return place
    raise FileNotFoundError(f"seqlab is installed without its conf/ folder (looked beside {here})")


def package_folder(dotted: str) -> Path | None:
    """The folder of a package, found without running its code; ``None`` where there is no such folder."""
    top, *rest = dotted.split(".")
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place, *rest)
        if folder.is_dir():
            return folder
    return None


@cache
def installed() -> dict[str, Path]:
    """The config folder of each installed plug-in package, by the name of its entry point."""
    folders = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        folder = package_folder(point.value)
        if folder is None:
            warnings.warn(f"plug-in {point.name}: its config folder {point.value} does not exist; it is left out")
        else:
            folders[point.name] = folder
    return folders


class InstalledPlugins(SearchPathPlugin):
    """Puts the config folders of installed plug-in packages on Hydra's search path, after our own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra whenever it makes a search path."""
        for name, folder in installed().items():
            search_path.append(provider=name, path=folder.as_uri())


def make_importable(folders: Iterable[str]) -> None:
    """Let classes be found beside the YAML files of a ``--config-dir``."""
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]


def register() -> None:
    """Make Hydra see installed plug-ins."""
    Plugins.instance().register(InstalledPlugins)


@dataclass(frozen=True)
class Option:
    """One choice in a config group.

    Attributes:
        name: what a person writes after ``group=``.
        providers: who offers it; more than one is a conflict.
        file: the first provider's YAML file.
    """

    name: str
    providers: tuple[str, ...]
    file: Path

    def __str__(self) -> str:
        """The name, and who it is from unless it is ours."""
        others = [provider for provider in self.providers if provider != "seqlab"]
        return f"{self.name} (from {', '.join(others)})" if others else self.name

    @property
    def about(self) -> str:
        """What the option is, from the comment that follows its command at the top of its file."""
        lines = self.file.read_text(encoding="utf-8").splitlines()
        comments = [line.lstrip("# ").rstrip() for line in lines if line.startswith("# ") and "@package" not in line]
        return next((line for line in comments if not line.startswith("seqlab ")), "")


def folders(config_dir: Path | None = None) -> dict[str, Path]:
    """Every config folder by provider, in the order in which Hydra searches them."""
    extra = {config_dir.name or "--config-dir": config_dir} if config_dir else {}
    return {"seqlab": conf_dir(), **installed(), **extra}


def options(group: str, config_dir: Path | None = None) -> dict[str, Option]:
    """All options of a config group, by name."""
    found: dict[str, Option] = {}
    for provider, folder in folders(config_dir).items():
        for file in sorted((folder / group).rglob("*.yaml")):
            name = file.relative_to(folder / group).with_suffix("").as_posix()
            before = found.get(name)
            providers = (*before.providers, provider) if before else (provider,)
            found[name] = Option(name, providers, before.file if before else file)
    return dict(sorted(found.items()))


def is_choice(key: str) -> bool:
    """Whether an override's key chooses an option, and does not set a value."""
    return key.partition("@")[0] in GROUPS or key.startswith("hydra/")


def listed(options: Mapping[str, Option]) -> str:
    """The options as a message names them; those in folders by their folder alone."""
    names = (f"{name.partition('/')[0]}/…" if "/" in name else str(option) for name, option in options.items())
    return ", ".join(dict.fromkeys(names)) or "none"


def target_fault(target: str) -> str | None:
    """What is wrong with a ``_target_``, found by reading source files and importing nothing; ``None`` if it exists.

    A module that is not written in Python, or that re-exports with ``*``, is given the benefit of the doubt.
    """
    module, _, name = target.rpartition(".")
    file = _module_file(module)
    if file is None:
        return f"there is no module '{module}'"
    if file.suffix != ".py":
        return None
    try:
        names = _top_level_names(file, file.stat().st_mtime_ns)
    except SyntaxError as error:
        return f"{file.name}, line {error.lineno}: {error.msg}"
    if name in names or "*" in names:
        return None
    return f"'{module}' has no '{name}'.{suggestion(name, names)}"


def _module_file(dotted: str) -> Path | None:
    """The source file of a module, without importing its parents."""
    parent, _, last = dotted.rpartition(".")
    if not parent:
        try:
            spec = importlib.util.find_spec(last) if last else None
        except (ImportError, ValueError):
            return None
        return Path(spec.origin) if spec and spec.origin and spec.origin not in ("built-in", "frozen") else None
    folder = package_folder(parent)
    candidates = [folder / last / "__init__.py", folder / f"{last}.py"] if folder else []
    return next((file for file in candidates if file.is_file()), None)


@lru_cache
def _top_level_names(file: Path, changed: int) -> set[str]:
    """What a source file defines; read again when it has changed."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name for alias in node.names)
            case ast.Assign():
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names
