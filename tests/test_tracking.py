"""Weights & Biases, started for real with no account and no network; and training goes on without it."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, WILD, Command
from seqlab import tracking
from seqlab.ledger import find
from seqlab.runs import Run
from seqlab.trackers import wandb as wandb_tracker
from seqlab.trackers.metrics_file import MetricsFile


def inspect(file: Path) -> dict[str, Any]:
    """What wandb itself reads from an offline run."""
    import wandb

    command = [wandb.util.get_core_path(), "leet", "inspect", "--json", "--no-observability", "--summary"]
    ended = subprocess.run(
        [*command, "--run-file", str(file), str(file.parents[1])], capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout)


def offline_file(root: Path) -> Path:
    """The one offline run below a folder; wandb's own process may still be writing it."""
    for _ in range(100):
        files = [file for file in (root / "wandb").glob("offline-run-*/*.wandb") if not file.is_symlink()]
        if files and inspect(files[0].resolve()).get("state") != "running":
            break
        time.sleep(0.1)
    (file,) = files
    return file


def test_an_offline_run_is_named_grouped_and_closed_as_the_run_folder_says(seqlab: Command, tmp_path: Path) -> None:
    """Id = run id; the whole configuration; test metrics; state finished. A failed run's state is failed."""
    assert seqlab("train", "data=translation", *TINY).code == 0
    (folder,) = find([tmp_path / "runs"])
    file = offline_file(tmp_path / "runs")
    assert file.name == f"run-{folder.name}.wandb"
    told = json.dumps(inspect(file.resolve()))
    assert folder.name in told
    assert folder.name.rpartition("-s")[0] in told
    assert "test/exact_match" in told
    assert '"samples"' in told
    assert '"gradient/flow"' in told
    assert len(list(file.parent.glob("files/media/plotly/gradient/flow_*.plotly.json"))) == 2
    assert "forget_bias" in told
    assert '"finished"' in told
    pointer = json.loads((folder / "summary.json").read_text())["wandb"]
    assert pointer["id"] == folder.name
    assert Path(pointer["path"]).resolve() == file.parent.resolve()


def test_a_diverged_run_is_closed_as_failed(seqlab: Command, tmp_path: Path) -> None:
    """The exit state is true."""
    assert seqlab("train", *WILD).code == 3
    file = offline_file(tmp_path / "runs")
    assert '"failed"' in json.dumps(inspect(file.resolve()))


def test_a_tracker_that_cannot_start_is_a_warning(seqlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Online without a server falls back to offline, and offline without wandb to the run folder alone."""
    import wandb

    tried = []

    def refuse(**options: Any) -> None:
        tried.append(options["mode"])
        raise wandb.errors.CommError("no route to host")

    monkeypatch.setattr(wandb, "init", refuse)
    answer = seqlab("train", "logger.wandb.mode=online", *TINY)
    assert answer.code == 0
    assert tried == ["online", "offline"]
    assert "W&B cannot be reached (no route to host); going on offline" in answer.out
    assert "W&B is not available (no route to host); the run folder has everything" in answer.out


def test_a_tracker_that_dies_in_mid_run_is_a_warning(
    seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training ends well, says so once, and metrics.csv has all rows."""

    def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError("the service is gone")

    monkeypatch.setattr(wandb_tracker.WandbTracker, "tell", fail)
    answer = seqlab("train", *TINY)
    assert answer.code == 0
    assert answer.out.count("W&B stopped listening (the service is gone)") == 1
    (folder,) = find([tmp_path / "runs"])
    assert "test/mse" in (folder / "metrics.csv").read_text()


@pytest.mark.parametrize(("key", "mode"), [("0" * 40, "online"), (None, "offline")])
def test_the_mode_follows_the_key(key: str | None, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Online where a key is configured, else offline; never a prompt."""
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    seen = []
    monkeypatch.setattr(wandb_tracker.WandbRun, "begin", lambda self, run, mode, again: seen.append(mode))
    wandb_tracker.WandbRun("seqlab")._start(Run({"id": "a", "runs_dir": str(tmp_path)}))
    assert seen == [mode]


def told_by_csv(folder: Path) -> list[tuple[int, float]]:
    """What Lightning's own CSV file has."""
    with (folder / "csv" / "metrics.csv").open() as lines:
        return [(int(row["step"]), float(row["train/loss"])) for row in csv.DictReader(lines) if row["train/loss"]]


def told_by_tensorboard(folder: Path) -> list[tuple[int, float]]:
    """What TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), {"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("train/loss")]


def told_by_mlflow(folder: Path) -> list[tuple[int, float]]:
    """What MLflow reads: of one run, which has the name of the folder, ended well, and knows its configuration."""
    from mlflow import MlflowClient

    client = MlflowClient(f"file:{folder.parent}/mlruns")
    (run,) = client.search_runs([client.get_experiment_by_name("seqlab").experiment_id])
    assert (run.info.run_name, run.info.status) == (folder.name, "FINISHED")
    assert run.data.params["cfg/cell/hidden_size"] == "8"
    return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "train/loss")]


TRACKERS = {"csv": told_by_csv, "tensorboard": told_by_tensorboard, "mlflow": told_by_mlflow}


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard", "ignore::FutureWarning:mlflow")
def test_another_tracker_has_every_row_once_also_of_a_run_that_was_stopped(
    name: str, seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run, in or beside the run folder; what was told before the last checkpoint, and after it, is told once."""
    if name in tracking.EXTRAS:
        pytest.importorskip(name, reason=f"the package {name} is not installed")
    words = ["train", f"logger={name}", *TINY, "trainer.limit_train_batches=8", "trainer.log_every_n_steps=1"]
    log_metrics = MetricsFile.log_metrics

    def failing(self: Any, metrics: Any, step: int) -> None:
        if step == 6 and not self.told:
            raise OSError("the machine has had enough")
        log_metrics(self, metrics, step)

    monkeypatch.setattr(MetricsFile, "log_metrics", failing)
    assert seqlab(*words, "callbacks.resume.every=0").code == 1
    (folder,) = find([tmp_path / "runs"])
    assert seqlab(*words).code == 0
    with (folder / "metrics.csv").open() as lines:
        expected = [(int(row["step"]), float(row["train/loss"])) for row in csv.DictReader(lines) if row["train/loss"]]
    assert [step for step, _ in expected] == list(range(8))
    steps, losses = zip(*TRACKERS[name](folder.resolve()), strict=True)
    assert steps == tuple(range(8))
    assert losses == pytest.approx([loss for _, loss in expected])


def test_several_trackers_are_told_at_once_and_one_that_fails_harms_no_other(
    seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """logger=[csv,wandb]."""
    from pytorch_lightning.loggers import CSVLogger

    def fail(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(CSVLogger, "log_metrics", fail)
    answer = seqlab("train", "logger=[csv,wandb]", *TINY)
    assert answer.code == 0
    assert answer.out.count("csv stopped listening (no room); going on without it.") == 1
    assert '"finished"' in json.dumps(inspect(offline_file(tmp_path / "runs").resolve()))


@pytest.mark.parametrize("name", tracking.EXTRAS)
def test_a_tracker_whose_package_is_missing_is_one_line(
    name: str, seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install, exit code 2, and no run folder."""
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    answer = seqlab("train", f"logger={name}", *TINY)
    assert (answer.code, answer.err) == (
        2,
        f"seqlab: logger={name}: the package {name} is not installed. Install it with: pip install 'seqlab[{name}]'\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_with_a_key_that_it_does_not_have_is_one_line(seqlab: Command) -> None:
    """Whose key it is, and exit code 2."""
    answer = seqlab("train", "logger=csv", "+logger.csv.colour=red", *TINY)
    assert answer.code == 2
    assert answer.err.startswith("seqlab: logger.csv: ")
    assert "'colour'" in answer.err
    assert answer.err.count("\n") == 1
