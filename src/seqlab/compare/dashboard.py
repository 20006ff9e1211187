"""The comparison in Weights & Biases: a view of the project for each task, and a report with a section for each.

Runs of all tasks share the names of their metrics, and a view has one choice of runs for all its panels; so a view
shows one task only, while each section of a report has its own choice. W&B draws no lines of its own: what chance
scores, and the best possible, are therefore runs, too, and stand among the others.

W&B knows the mean of a group and its standard error; intervals, places and pairs are in the report's tables.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from seqlab.account import has_key
from seqlab.compare.answer import Answer
from seqlab.compare.columns import reference
from seqlab.compare.export import as_markdown
from seqlab.errors import ConfigError, InputError, OutputError

STEPS = "trainer/global_step"
"""What learning curves are drawn against."""


@dataclass(frozen=True)
class Reference:
    """What a predictor scores that needs no training, as a run of a task.

    Attributes:
        id: of the run, and of its group.
        data: the task's data set.
        name: ``chance``, ``best possible``.
        metric: the main metric of the data.
        score: its value on the test set.
        steps: how long the longest run of the task was trained.
    """

    id: str
    data: str
    name: str
    metric: str
    score: float
    steps: int

    def send(self, project: str, entity: str) -> None:
        """Make the run, or make it again."""
        import wandb

        with (
            tempfile.TemporaryDirectory() as folder,
            wandb.init(
                project=project,
                entity=entity,
                id=self.id,
                name=self.name,
                group=self.id,
                job_type="reference",
                tags=[self.data, "reference"],
                config={"data": self.data, "cell": self.name},
                dir=folder,
                mode="online",
                reinit="create_new",
                settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_save_requirements=False),
            ) as run,
        ):
            run.define_metric("*", step_metric=STEPS)
            for step in (0, self.steps):
                run.log({f"val/{self.metric}": self.score, STEPS: step})
            run.summary[f"test/{self.metric}"] = self.score


@dataclass(frozen=True)
class Dashboard:
    """What there is to send.

    Attributes:
        workspaces: a view for each task, of wandb-workspaces.
        report: with a section for each task.
        references: of all tasks.
    """

    workspaces: Sequence[Any]
    report: Any
    references: Sequence[Reference]


def check() -> None:
    """The package that makes dashboards is there.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("wandb_workspaces") is None:
        raise ConfigError(
            "dashboard: the package wandb-workspaces is not installed. Install it with: pip install 'seqlab[dashboard]'"
        )


def project_of(answers: Sequence[Answer]) -> str:
    """The W&B project that the runs are in.

    Raises:
        ConfigError: they are in several, or in none.
    """
    runs = [record.config for each in answers for group in each.section.groups for record in group.records]
    named = sorted({run["logger"]["wandb"]["project"] for run in runs if "wandb" in (run.get("logger") or {})})
    if len(named) != 1:
        found = f"are in several projects of W&B: {', '.join(named)}" if named else "were not told to W&B"
        raise ConfigError(f"these runs {found}. Say which with --project NAME.")
    return named[0]


def build(answers: Sequence[Answer], project: str, entity: str = "") -> Dashboard:
    """Views, report and references of the comparisons that have a result.

    Args:
        answers: one for each task.
        project: the W&B project.
        entity: the W&B user or team; without it nothing is asked of a server.

    Raises:
        OutputError: no run has finished.
    """
    import wandb_workspaces.reports.v2 as wr

    shown = [each for each in answers if each.section.finished]
    if not shown:
        raise OutputError("none of these runs has finished, so there is nothing to show yet.")
    blocks: list[Any] = [wr.TableOfContents()]
    for each in shown:
        heading, _, table = as_markdown([each]).partition("\n")
        runs = wr.Runset(
            entity=entity,
            project=project,
            name=each.section.data,
            filters=_filter(each),
            groupby=["config.cell" if _by_cell(each) else "run.group"],
        )
        blocks += [
            wr.H2(heading.lstrip("# ")),
            wr.MarkdownBlock(table.strip()),
            wr.PanelGrid(runsets=[runs], panels=_panels(each)),
        ]
    report = wr.Report(entity=entity, project=project, title=f"{project}: the comparison", blocks=blocks, width="fluid")
    views = [_workspace(each, project, entity) for each in shown]
    return Dashboard(views, report, [line for each in shown for line in _references(each)])


def as_json(dashboard: Dashboard) -> str:
    """What would be sent."""
    told = {
        "workspaces": [_plain(workspace) for workspace in dashboard.workspaces],
        "report": _plain(dashboard.report),
        "references": [vars(each) for each in dashboard.references],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def send(answers: Sequence[Answer], project: str, entity: str | None) -> list[str]:
    """Make views, report and references in W&B, and return where they are.

    Raises:
        InputError: there is no account, or the server cannot be reached, or refuses.
        OutputError: no run has finished.
    """
    if not has_key():
        raise InputError(
            "dashboard: no W&B account is configured. Log in with 'wandb login', or take --json FILE, which needs none."
        )
    os.environ.setdefault("WANDB_HTTP_TIMEOUT", "5")
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    try:
        dashboard = build(answers, project, entity or wandb.Api(timeout=5).default_entity or "")
        for each in dashboard.references:
            each.send(project, dashboard.report.entity)
        for made in (*dashboard.workspaces, dashboard.report):
            made.save()
    except (wandb.errors.Error, WandbApiFailedError, ValueError) as error:
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"dashboard: W&B cannot be reached, or refuses ({line}). --json FILE needs no server."
        ) from None
    return [made.url for made in (dashboard.report, *dashboard.workspaces)]


def _workspace(each: Answer, project: str, entity: str) -> Any:
    import wandb_workspaces.workspaces as ws

    score = f"test/{each.metric}"
    return ws.Workspace(
        entity=entity,
        project=project,
        name=each.section.data,
        sections=[ws.Section(name=each.title, panels=_panels(each), is_open=True)],
        settings=ws.WorkspaceSettings(x_axis=STEPS, max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=_filter(each),
            groupby=[ws.Config("cell") if _by_cell(each) else ws.Metric("Group")],
            order=[ws.Ordering(ws.Summary(score), ascending=each.goal == "min")],
            pinned_columns=[f"summary:{score}"],
        ),
    )


def _panels(each: Answer) -> list[Any]:
    """Learning curves on validation and in training, the score on test, and how far back errors flow."""
    import wandb_workspaces.reports.v2 as wr

    by = wr.Config("cell") if _by_cell(each) else wr.Metric("Group")
    mean: dict[str, Any] = {"groupby": by, "groupby_aggfunc": "mean", "groupby_rangefunc": "stderr"}

    def place(x: int, y: int) -> Any:
        return wr.Layout(x, y, 12, 8)

    def curve(title: str, name: str, where: Any) -> Any:
        return wr.LinePlot(title=title, x=STEPS, y=[name], layout=where, aggregate=True, max_runs_to_show=100, **mean)

    name, score = each.metric.replace("_", " "), wr.SummaryMetric(f"test/{each.metric}")
    return [
        curve(f"{name} on validation, mean ± standard error", f"val/{each.metric}", place(0, 0)),
        wr.BarPlot(title=f"{name} on test", metrics=[score], layout=place(12, 0), max_bars_to_show=100, **mean),
        curve("training loss", "train/loss", place(0, 8)),
        curve("how far back errors flow, in steps", "gradient/horizon", place(12, 8)),
    ]


def _by_cell(each: Answer) -> bool:
    """Whether the cell is what puts seeds together; it is the experiment where cells repeat."""
    cells = [row.group.cell for row in each.rows]
    return len(set(cells)) == len(cells)


def _filter(each: Answer) -> str:
    """The runs of a comparison, whatever else the project has."""
    experiments = [row.group.records[0].config["group"] for row in each.rows]
    return f"Metric('Group') in {[*experiments, *(line.id for line in _references(each))]}"


def _references(each: Answer) -> list[Reference]:
    data, steps = each.section.groups[0].data, max(record.summary["steps"] for record in each.section.finished)
    name = re.sub(r"\W+", "-", each.section.data)
    return [
        Reference(f"reference-{name}-{kind}", data, reference(kind), each.metric, score, steps)
        for kind, score in each.references.items()
    ]


def _plain(made: Any) -> Any:
    return made._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
