"""The comparison in Weights & Biases: its structure without a server, and how it arrives at one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from fake_wandb import ENTITY, KEY, FakeWandb
from folders import put
from seqlab.compare import dashboard

needed = pytest.mark.skipif(
    dashboard.find_spec("wandb_workspaces") is None, reason="the package wandb-workspaces is not installed"
)

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style:DeprecationWarning")  # wandb-workspaces' own

WANDB: dict[str, Any] = {"wandb": {"project": "lab-book"}}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two cells by two seeds, of which one did not finish."""
    root = tmp_path / "runs"
    for seed in (1, 2):
        put(root, "lstm", seed, 0.01 * seed, logger=WANDB, told={"steps": 500})
        put(root, "rnn", seed, 0.15, logger=WANDB, told={"steps": 700})
    put(root, "rnn", 3, None, "failed", logger=WANDB)
    return root


@needed
def test_a_view_and_a_section_of_the_report_show_one_task(seqlab: Command, runs: Path) -> None:
    """Its runs alone, grouped by cell, mean and standard error against steps; the table; references as runs."""
    answer = seqlab("dashboard", "runs", "--json", "board.json")
    assert (answer.code, answer.out) == (0, "written: board.json\n")
    told = json.loads(Path("board.json").read_text())
    groups = {folder.name.rpartition("-s")[0] for folder in runs.iterdir()}
    chosen = groups | {"reference-adding-chance", "reference-adding-best"}
    (view,) = told["workspaces"]
    (section,) = view["spec"]["section"]["panelBankConfig"]["sections"]
    (of_the_view,) = view["spec"]["section"]["runSets"]
    (grid,) = [block for block in told["report"]["spec"]["blocks"] if block["type"] == "panel-grid"]
    assert (view["displayName"], view["project"]) == ("adding", "lab-book")
    assert section["name"] == "adding: mse, squared units, lower is better"
    assert view["spec"]["section"]["settings"]["xAxis"] == "trainer/global_step"
    for runset, panels in (
        (of_the_view, section["panels"]),
        (grid["metadata"]["runSets"][0], grid["metadata"]["panelBankSectionConfig"]["panels"]),
    ):
        (condition,) = runset["filters"]["filters"]
        assert (condition["key"], condition["op"]) == ({"section": "run", "name": "group"}, "IN")
        assert set(condition["value"]) == chosen
        assert runset["grouping"] == [{"section": "config", "name": "cell.value"}]
        curve, bars, *_ = (panel["config"] for panel in panels)
        assert (curve["xAxis"], curve["metrics"]) == ("trainer/global_step", ["val/mse"])
        assert (curve["groupBy"], curve["groupAgg"], curve["groupArea"]) == ("cell.value", "mean", "stderr")
        assert bars["metrics"] == ["summary_metrics.test/mse"]
    (table,) = [block["content"] for block in told["report"]["spec"]["blocks"] if block["type"] == "markdown-block"]
    assert re.search(r"\| lstm \| .* \| 2 \|", table)
    assert "| rnn |" in table
    assert "2 of 3" in table
    assert "| *chance\\** |" in table
    assert [(r["name"], r["score"], r["steps"]) for r in told["references"]] == [
        ("chance", pytest.approx(1 / 6), 700), ("best possible", 0.0, 700)
    ]  # fmt: skip


@needed
def test_cells_that_occur_twice_are_grouped_by_experiment(seqlab: Command, runs: Path) -> None:
    """Else two experiments would be one line."""
    put(runs, "lstm", 1, 0.02, lr=0.5, logger=WANDB, told={"steps": 500})
    assert seqlab("dashboard", "runs", "--json", "board.json").code == 0
    (view,) = json.loads(Path("board.json").read_text())["workspaces"]
    (runset,) = view["spec"]["section"]["runSets"]
    assert runset["grouping"] == [{"section": "run", "name": "group"}]


@needed
def test_it_arrives_at_the_server(seqlab: Command, runs: Path, server: FakeWandb) -> None:
    """A view, a report, and a run for each reference, which is a line from the first step to the last."""
    answer = seqlab("dashboard", "runs", "--project", "other")
    assert answer.code == 0, answer.err
    urls = answer.out.splitlines()
    assert len(urls) == 2
    assert all(url.startswith(f"{server.url}/{ENTITY}/other") for url in urls)
    assert [(view["type"], view["displayName"]) for view in server.views] == [
        ("project-view", "adding"), ("runs", "other: the comparison")
    ]  # fmt: skip
    chance = server.runs["reference-adding-chance"]
    assert (chance.project, chance.about["displayName"], chance.state) == ("other", "chance", "finished")
    assert [(row["trainer/global_step"], row["val/mse"]) for row in chance.history] == [
        (0, pytest.approx(1 / 6)), (700, pytest.approx(1 / 6))
    ]  # fmt: skip
    assert chance.summary["test/mse"] == pytest.approx(1 / 6)
    assert chance.config["cell"]["value"] == "chance"


@needed
def test_what_cannot_be_put_up_is_one_line(
    seqlab: Command, tmp_path: Path, runs: Path, server: FakeWandb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No account, no server, no result, no project: what to do, and exit code 2."""
    monkeypatch.delenv("WANDB_API_KEY")

    def refused(*words: str) -> str:
        answer = seqlab("dashboard", *words)
        assert answer.code == 2
        assert answer.err.startswith("seqlab: ")
        assert answer.err.count("\n") == 1
        return answer.err

    assert "no W&B account is configured. Log in with 'wandb login'" in refused("runs")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    server.close()
    assert "W&B cannot be reached, or refuses (" in refused("runs")
    put(tmp_path / "unfinished", "rnn", 1, None, "failed", logger=WANDB)
    assert "none of these runs has finished" in refused("unfinished", "--json", "board.json")
    put(tmp_path / "untold", "rnn", 1, 0.1, told={"steps": 1})
    assert "these runs were not told to W&B. Say which with --project NAME." in refused("untold")
    put(tmp_path / "runs", "gru", 1, 0.1, logger={"wandb": {"project": "b"}}, told={"steps": 1})
    assert "these runs are in several projects of W&B: b, lab-book. Say which with --project NAME." in refused("runs")


def test_without_its_package_it_is_one_line(seqlab: Command, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install, and exit code 2."""
    monkeypatch.setattr(dashboard, "find_spec", lambda _: None)
    answer = seqlab("dashboard", "runs")
    assert (answer.code, answer.err) == (
        2,
        "seqlab: dashboard: the package wandb-workspaces is not installed. "
        "Install it with: pip install 'seqlab[dashboard]'\n",
    )
