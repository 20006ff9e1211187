"""The verbs. The only ``@hydra.main`` is here, and nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from seqlab import __version__, job, output
from seqlab.errors import ConfigError, OutputError, suggestion
from seqlab.imports import importing

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from seqlab.runs import Run

USAGE = """seqlab: a laboratory for recurrent sequence models.

  seqlab train [key=value ...]              make one run
  seqlab train -m cell=rnn,lstm seed=1,2    a sweep of runs, or what is missing
  seqlab train -m ... --dry-run             how many, how long, how much disk
  seqlab describe [key=value ...]           what it would be; makes nothing
  seqlab resume FOLDER                      go on with the run in a folder
  seqlab resume FOLDER --fork key=value     begin another run where it stopped
  seqlab status FOLDER ...                  finished, running, failed, missing
  seqlab compare FOLDER ...                 means and intervals over seeds
  seqlab dashboard FOLDER ...               the comparison, put up in W&B
  seqlab horizon data=copy cell=rnn,lstm    how far back each cell remembers
  seqlab horizon FOLDER ...                 the horizons that some runs tell of
  seqlab gradients FOLDER ...               how far back errors flow through it
  seqlab list [GROUP]                       every choice, and who provides it

seqlab VERB --help says more. A finished run is never made twice: the same
command is the same run.
"""

HORIZON = """seqlab horizon: how far back each cell remembers.

  seqlab horizon data=copy cell=rnn,lstm seeds=5    the longest lag each solves
  seqlab horizon FOLDER ... [--html FILE]           what some runs tell of it

The lag is data.length: doubled from the shortest until it is not solved, then
bisected, for each cell and seed. A trial is a run like any other, with the
training that the command gives it, and ends when it has solved its task. It is
drawn in horizon.html. The same command goes on.

  seeds=5           how many, from 1 on; or seeds=[1,2,3]
  shortest=10       the lag that is tried first
  longest=1000      the lag beyond which nothing is tried
  precision=1.2     the ratio of a lag solved to one not, at which it ends

Everything else is as for seqlab train -m: options and values, several of them
for a horizon each, and --dry-run.
"""

LIMITS = ("seeds", "shortest", "longest", "precision")
"""What is said of the search, and not of its runs."""
FLAGS = ("--dry-run", "--detach", "--multirun", "--config-dir", "--help")
"""Those that a person may have meant by another."""


def main() -> None:
    """The command ``seqlab``: exits 0 if all went well, 1 on failure, 2 on bad input, 3 on divergence."""
    job.listen_to_logs()
    verb, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    try:
        _verb(verb)(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        sys.exit(job.say(error))


def _verb(name: str) -> Callable[[Sequence[str]], None]:
    if name in ("-h", "--help", "help"):
        return lambda _: print(USAGE, end="")
    if name == "--version":
        return lambda _: print(f"seqlab {__version__}")
    if name in ("-sc", "--shell-completion"):
        return complete
    verbs = {
        "train": train,
        "describe": describe,
        "resume": resume,
        "status": status,
        "compare": compare,
        "dashboard": dashboard,
        "horizon": horizon,
        "gradients": gradients,
        "list": list_options,
    }
    if name not in verbs:
        raise ConfigError(f"{name}: no such verb.{suggestion(name, verbs)} Available: {', '.join(verbs)}.")
    return verbs[name]


def train(arguments: Sequence[str], program: str = "seqlab train", words: Sequence[str] = ()) -> None:
    """Compose a configuration and make its run, or with ``-m`` its sweep of runs; words are of the verb beside keys."""
    import hydra
    from hydra._internal.utils import get_args_parser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from seqlab import config, plugins
    from seqlab.explain import explain

    if "--dry-run" in arguments:
        arguments = [word for word in arguments if word not in ("--dry-run", "-m", "--multirun")]
        arguments = ["-m", *arguments, "hydra.launcher.dry_run=true"]
    if "--detach" in arguments:
        arguments = [word for word in arguments if word not in ("--detach", "-m", "--multirun")]
        arguments = ["-m", *arguments, "hydra.launcher.detach=true"]
    plugins.register()
    OmegaConf.register_new_resolver("seqlab.scratch", _scratch, use_cache=True, replace=True)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come to us as they are
    sys.argv = [program, *sorted(arguments, key=_is_override)]  # Hydra wants its flags first
    if unknown := get_args_parser().parse_known_args(sys.argv[1:])[1]:
        raise ConfigError(f"{unknown[0]}: no such flag.{suggestion(unknown[0], FLAGS)} '{program} --help' says more.")
    try:
        hydra.main(version_base="1.3", config_path=str(plugins.conf_dir()), config_name=config.CONFIG_NAME)(_job)()
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise explain(error, arguments, words) from error


def _is_override(word: str) -> bool:
    return not word.startswith("-") and ("=" in word or word.startswith("~"))


def _job(cfg: DictConfig) -> float | None:
    """One run, as every launcher calls it."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    try:
        from seqlab.config import Origin, freeze

        launcher = hydra.runtime.choices["hydra/launcher"]
        if hydra.mode == RunMode.RUN and f"hydra/launcher={launcher}" in hydra.overrides.hydra:
            raise ConfigError(f"hydra/launcher={launcher}: says where the runs of a sweep are made. Add -m.")
        run = freeze(cfg, Origin.of(cast("DictConfig", hydra)))
        with importing():
            from seqlab.experiment import make

        summary = make(run)
        return summary["best"].get(f"val/{summary['metric']['name']}")
    except Exception as error:
        if hydra.mode == RunMode.MULTIRUN:
            raise
        sys.exit(job.say(error))


def complete(arguments: Sequence[str]) -> None:
    """Tab completion of ``seqlab train``, by Hydra: ``eval "$(seqlab -sc install=bash)"``."""
    line = os.environ.get("COMP_LINE", "")
    os.environ["COMP_LINE"] = line.replace("seqlab train ", "seqlab ", 1)
    os.environ["COMP_POINT"] = str(len(os.environ["COMP_LINE"]))
    train(["-sc", *arguments], program="seqlab")


def _scratch() -> str:
    """A folder for what Hydra insists on writing about a sweep; the run folders already hold it."""
    folder = tempfile.mkdtemp(prefix="seqlab-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def resume(arguments: Sequence[str]) -> None:
    """Go on with the run that a folder holds."""
    parser = _parser(
        "resume", "Go on with an interrupted run, or make a prepared one. A finished run is left as it is."
    )
    parser.add_argument("folder", type=Path, help="a run folder, such as runs/adding-lstm-1a2b3c4d-s1")
    parser.add_argument("values", nargs="*", metavar="key=value", help="with --fork, what is other in the new run")
    parser.add_argument("--fork", action="store_true", help="begin another run from the last checkpoint of this one")
    given = parser.parse_intermixed_args(arguments)
    if given.values and not given.fork:
        raise ConfigError(
            f"{given.values[0]}: a run goes on as it was begun. Leave that away, or add --fork to begin another run "
            "from its last checkpoint."
        )
    sys.exit(job.make(_forked(given.folder, given.values) if given.fork else given.folder))


def describe(arguments: Sequence[str]) -> None:
    """Print what a run would be, and make nothing."""
    parser = _parser("describe", "What a run would be: its data, sizes, engine, training and folder. Makes nothing.")
    parser.add_argument("values", nargs="*", metavar="key=value", help="as for seqlab train")
    parser.add_argument("--config-dir", "-cd", type=Path, help="a folder of further options, as for seqlab train")
    given = parser.parse_intermixed_args(arguments)
    with importing():
        from seqlab.describe import show

    show(_composed(given.values, given.config_dir))


def _composed(words: Sequence[str], config_dir: Path | None) -> Run:
    """The run that some overrides describe."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from seqlab import plugins
    from seqlab.config import composed
    from seqlab.explain import explain

    plugins.register()
    try:
        return composed(words, config_dir)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, words) from error


def _forked(folder: Path, values: Sequence[str]) -> Path:
    """The folder of another run, which goes on from the last checkpoint of the run in a folder."""
    from seqlab.forks import fork
    from seqlab.runs import Run

    parent = Run.load(folder)
    given = parent.config["plugin_path"]
    words = [*parent.overrides, f"runs_dir={folder.parent}", *values]
    return fork(parent, _composed(words, Path(given[0]) if given else None)).folder


def status(arguments: Sequence[str]) -> None:
    """Print what is true of the runs in some folders now."""
    parser = _parser("status", "What is finished, running, failed, interrupted and missing, and how much time is left.")
    parser.add_argument("paths", type=Path, nargs="+", help="run folders, or folders of them")
    parser.add_argument("--all", action="store_true", help="every run, and not only the latest of each state")
    given = parser.parse_args(arguments)
    from seqlab import overview

    overview.show(given.paths, given.all)


def compare(arguments: Sequence[str]) -> None:
    """Print what the runs in some folders came to."""
    parser = _parser("compare", "Means with 95 % t-intervals over seeds, beside what chance scores and what it cost.")
    parser.add_argument("paths", type=Path, nargs="*", help="run folders, or folders of them")
    parser.add_argument("--wandb", metavar="PROJECT", help="the runs of a W&B project, or ENTITY/PROJECT, too")
    parser.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE", help="only runs that have one of these values"
    )
    parser.add_argument("--by", action="append", default=[], metavar="KEY", help="what tells experiments apart")
    parser.add_argument("--metric", metavar="NAME", help="compare by test/NAME, and not by the data's main metric")
    for form, what in (("csv", "a line for each run"), ("markdown", "the tables"), ("json", "everything")):
        parser.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"write {what} to a file, too")
    parser.add_argument("--threshold", type=float, metavar="X", help="time runs by when validation is at X")
    parser.add_argument("--html", type=Path, metavar="FILE", help="draw the report, one file that opens offline")
    given = parser.parse_args(arguments)
    from seqlab.compare import answer, export, horizon, horizon_view, read, sections, select, table

    if not (given.paths or given.wandb):
        parser.error("give run folders, or --wandb PROJECT")
    fetched = [_fetched(given.wandb)] if given.wandb else []
    records = select.where(read.read([*given.paths, *fetched]), given.where)
    select.check_metric(records, given.metric)
    trials = [record for record in records if horizon.is_trial(record)]
    others = [record for record in records if not horizon.is_trial(record)]
    by = select.keys(others, given.by)
    answers = [answer.answer(section, given.metric, given.threshold) for section in sections.sections(others, by)]
    if answers:
        table.show(answers)
    horizons = horizon.horizons(trials)
    if horizons:
        horizon_view.show(horizons)
    for form, write in export.FORMS.items():
        if path := getattr(given, form):
            output.save(path, write(answers), "written")
    if given.html:
        from seqlab.compare.report import report

        output.save(given.html, report(answers, horizons), "\nDrawn")


def _fetched(project: str) -> Path:
    """A folder of run folders, made of what W&B has, and gone when the process ends."""
    from seqlab.compare.wandb_project import fetch

    folder = Path(_scratch())
    fetch(project, folder)
    return folder


def dashboard(arguments: Sequence[str]) -> None:
    """Put up the comparison of the runs in some folders in Weights & Biases."""
    parser = _parser("dashboard", "A view of the W&B project for each task, and a report with tables and references.")
    parser.add_argument("paths", type=Path, nargs="+", help="run folders, or folders of them")
    parser.add_argument("--project", metavar="NAME", help="the W&B project, if not the one that the runs are in")
    parser.add_argument("--entity", metavar="NAME", help="the W&B user or team, if not the account's default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what would be sent, and send nothing")
    given = parser.parse_args(arguments)
    from seqlab.compare import answer, dashboard, horizon, read, sections

    dashboard.check()
    records = [record for record in read.read(given.paths) if not horizon.is_trial(record)]
    answers = [answer.answer(section) for section in sections.sections(records)]
    project = given.project or dashboard.project_of(answers)
    if given.json:
        output.save(given.json, dashboard.as_json(dashboard.build(answers, project)), "written")
        return
    for url in dashboard.send(answers, project, given.entity):
        print(url)


def horizon(arguments: Sequence[str]) -> None:
    """Find how far back experiments reach, or show what the runs in some folders tell of it."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(HORIZON, end="")
        return
    if any("=" in word for word in arguments):
        words = [f"hydra.sweeper.{word}" if word.partition("=")[0] in LIMITS else word for word in arguments]
        train(["-m", "hydra/sweeper=horizon", *words], "seqlab horizon", LIMITS)
        return
    parser = _parser("horizon", "The horizons that the runs in some folders tell of.")
    parser.add_argument("paths", type=Path, nargs="+", help="run folders, or folders of them")
    parser.add_argument("--html", type=Path, default=Path("horizon.html"), metavar="FILE", help="where it is drawn")
    given = parser.parse_args(arguments)
    from seqlab.compare import horizon, horizon_view, read

    found = horizon.horizons([record for record in read.read(given.paths) if horizon.is_trial(record)])
    if not found:
        raise OutputError("none of these runs was made to find a horizon. Make some with 'seqlab horizon data=copy'.")
    horizon_view.show(found)
    output.save(given.html, horizon_view.drawn(found), "\nDrawn")


def gradients(arguments: Sequence[str]) -> None:
    """Print how far back errors flow in the runs in some folders, and draw it."""
    parser = _parser("gradients", "How far back errors flow through each cell, before training and after.")
    parser.add_argument("paths", type=Path, nargs="+", help="run folders, or folders of them")
    parser.add_argument("--html", type=Path, default=Path("gradients.html"), metavar="FILE", help="where it is drawn")
    given = parser.parse_args(arguments)
    from seqlab.compare import flow, read, sections

    flows = flow.flows(sections.sections(read.read(given.paths)))
    flow.show(flows)
    output.save(given.html, flow.drawn(flows), "\nDrawn")


def list_options(arguments: Sequence[str]) -> None:
    """Print every option of every group, or of one, with what it is and who provides it."""
    parser = _parser("list", "Every choice, what it is, and who provides it.")
    parser.add_argument("group", nargs="?", help="one config group, such as cell")
    parser.add_argument("--config-dir", "-cd", type=Path, help="a folder of further options, as for seqlab train")
    given = parser.parse_args(arguments)
    from seqlab import plugins

    if given.config_dir and not given.config_dir.is_dir():
        raise ConfigError(f"--config-dir {given.config_dir}: no such folder.")
    if given.group and given.group not in plugins.GROUPS:
        hint = suggestion(given.group, plugins.GROUPS)
        raise ConfigError(f"{given.group}: no such group.{hint} Available: {', '.join(plugins.GROUPS)}.")
    for group in [given.group] if given.group else plugins.GROUPS:
        print(group)
        options = plugins.options(group, given.config_dir).values()
        width = max((len(str(option)) for option in options), default=0)
        for option in options:
            print(_beside(f"  {option!s:<{width}}  ", option.about))


def _beside(name: str, text: str) -> str:
    """A name, and beside it a text that is folded where a person watches, so that a file has a line for each."""
    if not sys.stdout.isatty():
        return f"{name}{text}".rstrip()
    room = max(shutil.get_terminal_size().columns, len(name) + 20)
    return textwrap.fill(text, room, initial_indent=name, subsequent_indent=" " * len(name)) or name


class _Parser(argparse.ArgumentParser):
    """One that tells what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}. '{self.prog} --help' says what it takes.")


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    return _Parser(prog=f"seqlab {verb}", description=description)
