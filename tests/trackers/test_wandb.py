"""Weights & Biases as it is: wandb's own client, our runs, and a server on loopback that keeps what it is told."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from child import Child
from conftest import TINY, WILD, Command
from fake_wandb import ENTITY, FakeRun, FakeWandb
from seqlab.ledger import find
from seqlab.plugins import conf_dir
from seqlab.trackers import wandb as wandb_tracker
from seqlab.trackers.metrics_file import MetricsFile

PROGRAM = Path(sys.executable).with_name("wandb")

LIMIT = 120
"""Seconds that any of these tests may take."""

LOGGED = (*TINY[:1], "trainer.max_epochs=3", *TINY[2:], "trainer.log_every_n_steps=1")
"""A run of a few rows."""


LONG = (*LOGGED, "trainer.limit_train_batches=100", "callbacks.resume.every=0.1")
"""A run of a few seconds."""


@pytest.fixture(autouse=True)
def _limited() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"more than {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def sync(*options: str | Path) -> None:
    """As a person does."""
    subprocess.run([PROGRAM, "sync", *options], check=True, timeout=LIMIT, capture_output=True)


def parts(root: Path) -> list[Path]:
    """What lies below the folder of the runs for W&B."""
    return sorted(part for part in (root / "wandb").glob("*run-*-*") if not part.is_symlink())


def killed(*words: str, rows: int = 30) -> None:
    """A run of its own process, killed as a machine dies, when it has gone on a little from its last checkpoint."""
    child = Child(Path.cwd(), "train", *words)
    while not list(Path("runs").glob("*/checkpoints/last.ckpt")):
        time.sleep(0.01)
    (file,) = Path("runs").glob("*/metrics.csv")
    enough = len(file.read_text().splitlines()) + rows
    while len(file.read_text().splitlines()) < enough:
        time.sleep(0.01)
    child.signal(signal.SIGKILL)
    child.wait(10)


def rows(folder: Path) -> list[dict[str, float]]:
    """The rows of ``metrics.csv``, in the order in which they were written."""
    with (folder / "metrics.csv").open() as lines:
        read = [{k: float(v) for k, v in row.items() if v != ""} for row in csv.DictReader(lines)]
    return [{k: v for k, v in row.items() if k != "step"} | {"trainer/global_step": row["step"]} for row in read]


def told(run: FakeRun) -> list[dict[str, float]]:
    """The rows of a run at the server, without what W&B adds, and without figures and texts."""
    numbers = [
        {k: v for k, v in row.items() if not k.startswith("_") and isinstance(v, int | float)} for row in run.history
    ]
    return [row for row in numbers if set(row) - {"trainer/global_step"}]


def whole(run: FakeRun, folder: Path) -> None:
    """The server knows of a run all that its folder does."""
    summary = json.loads((folder / "summary.json").read_text())
    assert run.id == run.about["displayName"] == folder.name
    assert run.about["groupName"] == summary["group"]
    assert run.about["tags"] == [summary["data"], summary["cell"]]
    assert run.state == "finished"
    config = {key: each["value"] for key, each in run.config.items()}
    assert (config["data"], config["cell"], config["seed"]) == (summary["data"], summary["cell"], summary["seed"])
    assert config["cfg"]["cell"]["hidden_size"] == 8
    assert config["cfg"]["choices"]["data"] == summary["data"]
    assert told(run) == [pytest.approx(row) for row in rows(folder)]
    assert {name: run.summary.get(name) for name in summary["test"]} == pytest.approx(summary["test"])
    assert {name: run.summary[f"best/{name}"] for name in summary["best"]} == pytest.approx(summary["best"])


def has_checkpoint(server: FakeWandb, folder: Path) -> None:
    """The best checkpoint is at the server, and is the file that the folder has."""
    (artifact,) = (artifact for artifact in server.artifacts if artifact.run == folder.name)
    summary = json.loads((folder / "summary.json").read_text())
    assert (artifact.name, artifact.kind, artifact.committed) == (folder.name, "model", True)
    assert "best" in artifact.aliases
    assert artifact.metadata == pytest.approx(summary["best"])
    assert artifact.files["best.ckpt"] == (folder / "checkpoints" / "best.ckpt").read_bytes()


def test_a_run_arrives_whole(seqlab: Command, server: FakeWandb, tmp_path: Path) -> None:
    """Online: names, configuration, every row, summary, texts, figures, the best checkpoint, and that it finished."""
    assert seqlab("train", "data=translation", *LOGGED).code == 0
    (folder,) = find([tmp_path / "runs"])
    (run,) = server.runs.values()
    whole(run, folder)
    has_checkpoint(server, folder)
    texts = [content.decode() for name, content in run.files.items() if name.startswith("media/html/samples")]
    assert len(texts) == 3
    assert all("<th>input</th>" in text or "<th>source</th>" in text for text in texts)
    assert any(name.startswith("media/plotly/gradient/flow") for name in run.files)
    pointer = json.loads((folder / "summary.json").read_text())["wandb"]
    assert pointer["url"] == f"{server.url}/{ENTITY}/seqlab/runs/{folder.name}"


def test_a_run_that_diverges_is_failed(seqlab: Command, server: FakeWandb) -> None:
    """With its own exit code."""
    assert seqlab("train", *WILD).code == 3
    (run,) = server.runs.values()
    assert (run.state, run.exit_code) == ("failed", 3)
    assert server.artifacts == []


def test_the_checkpoint_stays_at_home_where_that_is_said(seqlab: Command, server: FakeWandb) -> None:
    """logger.wandb.checkpoint=false."""
    assert seqlab("train", "logger.wandb.checkpoint=false", *TINY).code == 0
    assert [run.state for run in server.runs.values()] == ["finished"]
    assert server.artifacts == []


def test_a_sweep_is_runs_of_one_group(seqlab: Command, server: FakeWandb, tmp_path: Path) -> None:
    """Two seeds: two processes, two runs, one group, and all files in one place, below the folder of the runs."""
    assert seqlab("train", "-m", "seed=1,2", "runs_dir=deep/inside/runs", *TINY).code == 0
    runs = list(server.runs.values())
    assert len(runs) == 2
    assert len({run.about["groupName"] for run in runs}) == 1
    assert sorted(run.config["seed"]["value"] for run in runs) == [1, 2]
    assert {run.state for run in runs} == {"finished"}
    root = tmp_path / "deep" / "inside" / "runs" / "wandb"
    files = {file.resolve() for file in tmp_path.rglob("*.wandb")}
    assert {file.parents[1] for file in files} == {root.resolve()}
    assert len(files) == 2


def test_an_offline_run_is_sent_whole_later(
    seqlab: Command, server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing leaves the machine before 'wandb sync', and then all of it; the best checkpoint from where it lies."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert seqlab("train", "data=translation", *LOGGED).code == 0
    assert server.runs == {}
    (folder,) = find([tmp_path / "runs"])
    sizes = {file.stat().st_size for file in (tmp_path / "runs" / "wandb").rglob("*") if file.is_file()}
    assert (folder / "checkpoints" / "best.ckpt").stat().st_size not in sizes, "the checkpoint lies there twice"
    monkeypatch.delenv("WANDB_MODE")
    sync(*parts(tmp_path / "runs"))
    whole(server.runs[folder.name], folder)
    has_checkpoint(server, folder)


def test_a_server_that_dies_in_mid_run_costs_nothing(
    seqlab: Command, server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training goes on to its end, in bounded time; the folder is whole; and what the warning says sends all of it."""
    monkeypatch.setattr(wandb_tracker, "PATIENCE", 2)
    log_metrics = MetricsFile.log_metrics

    def dying(self: Any, metrics: Any, step: int) -> None:
        if step == 2 and server.runs:
            server.close()
        log_metrics(self, metrics, step)

    monkeypatch.setattr(MetricsFile, "log_metrics", dying)
    began = time.monotonic()
    answer = seqlab("train", "data=translation", *LOGGED)
    assert answer.code == 0
    assert time.monotonic() - began < 30
    (folder,) = find([tmp_path / "runs"])
    assert server.runs[folder.name].history == []
    assert server.runs[folder.name].state == "running"
    assert json.loads((folder / "summary.json").read_text())["status"] == "finished"
    assert len(rows(folder)) > 6
    said = next(line for line in answer.out.splitlines() if "W&B could not be reached at the end." in line)
    command = said.partition("wandb sync ")[2].split()
    other = FakeWandb()
    monkeypatch.setenv("WANDB_BASE_URL", other.url)
    sync(*command)
    whole(other.runs[folder.name], folder)
    has_checkpoint(other, folder)
    assert other.unknown == []
    other.close()


def test_a_run_that_was_stopped_goes_on_in_the_same_wandb_run(
    seqlab: Command, server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run at the server: failed with the code of an interruption, and then finished, with every row once."""
    log_metrics = MetricsFile.log_metrics

    def stopped(self: Any, metrics: Any, step: int) -> None:
        log_metrics(self, metrics, step)
        if step == 3 and not self.told and "val/loss" in metrics:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(MetricsFile, "log_metrics", stopped)
    numbers = []
    tell = wandb_tracker.WandbTracker.tell

    def counting(self: Any, *row: Any) -> None:
        numbers.append(self.row)
        tell(self, *row)

    monkeypatch.setattr(wandb_tracker.WandbTracker, "tell", counting)
    assert seqlab("train", *LOGGED).code == 130
    (run,) = server.runs.values()
    assert (run.state, run.exit_code) == ("failed", 130)
    before = len(told(run))
    assert before > 2
    assert seqlab("train", *LOGGED).code == 0
    (folder,) = find([tmp_path / "runs"])
    assert list(server.runs) == [folder.name]
    assert len(told(run)) > before
    assert numbers == list(range(len(rows(folder)))), "W&B is told what it has"
    whole(run, folder)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_run_that_was_killed_arrives_whole_too(
    mode: str, seqlab: Command, server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run, every row once, though what W&B had was cut short; and an offline run leaves one part to send."""
    monkeypatch.setenv("WANDB_MODE", mode)
    words = [*LONG, "logger.wandb.checkpoint=false"]
    killed(*words)
    assert seqlab("train", *words).code == 0
    if mode == "offline":
        monkeypatch.delenv("WANDB_MODE")
        (part,) = parts(tmp_path / "runs")
        sync(part)
    (folder,) = find([tmp_path / "runs"])
    assert list(server.runs) == [folder.name]
    whole(server.runs[folder.name], folder)


def test_a_run_that_is_made_anew_replaces_the_one_of_its_name(
    seqlab: Command, server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was removed, so nothing goes on: W&B is told not to, either."""
    import shutil

    import wandb

    asked = []
    init = wandb.init
    monkeypatch.setattr(wandb, "init", lambda **options: asked.append(options["resume"]) or init(**options))
    for _ in range(2):
        assert seqlab("train", *TINY).code == 0
        (folder,) = find([tmp_path / "runs"])
        shutil.rmtree(folder)
    assert asked == [None, None]


AGENT = f"""
import sys, wandb, wandb.wandb_agent
wandb.wandb_agent.Agent.POLL_INTERVAL = 0.2
wandb.agent(sys.argv[1], entity="{ENTITY}", project=sys.argv[2])
"""
"""What 'wandb agent' does, but for how often it asks."""


@pytest.mark.filterwarnings("ignore:Read the `app_url` setting:DeprecationWarning")  # wandb's own
def test_a_sweep_of_wandb_drives_our_overrides(
    server: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example file, with a real agent: its choices reach the runs, and lock no part of their configuration."""
    import wandb
    import yaml

    asked = yaml.safe_load((conf_dir() / "wandb_sweep.yaml").read_text())
    assert asked["command"] == ["seqlab", "train", "${args_no_hyphens}"]
    monkeypatch.chdir(tmp_path)
    few = {"cell": {"values": ["lstm", "gru"]}, "optimizer.lr": {"value": 0.25}, "seed": {"value": 7}}
    command = [sys.executable, "-m", "seqlab", "train", *TINY, "${args_no_hyphens}"]
    sweep = wandb.sweep(asked | {"parameters": asked["parameters"] | few, "command": command}, entity=ENTITY)
    subprocess.run(
        [sys.executable, "-c", AGENT, sweep, asked["project"]], check=True, timeout=LIMIT, capture_output=True
    )
    assert [run.config["cell"]["value"] for run in server.runs.values()] == ["lstm", "gru"]
    for name, run in server.runs.items():
        assert (name.startswith("agent"), run.about["sweep"], run.state) == (True, sweep, "finished")
        config = run.config["cfg"]["value"]
        assert (config["seed"], config["choices"]["data"], config["optimizer"]["lr"]) == (7, "adding", 0.25)
        assert config["cell"]["hidden_size"] == 8
        assert run.about["displayName"] == config["id"]
        assert (tmp_path / "runs" / config["id"] / "summary.json").exists()
        assert "best/val/mse" in run.summary
