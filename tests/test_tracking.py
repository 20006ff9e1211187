"""Weights & Biases, started for real with no account and no network; and training goes on without it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, WILD, Command
from seqlab import wandb_run
from seqlab.ledger import find
from seqlab.runs import Run


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

    monkeypatch.setattr(wandb_run.WandbTracker, "tell", fail)
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
    monkeypatch.setattr(wandb_run.WandbRun, "begin", lambda self, run, mode, again: seen.append(mode))
    wandb_run.WandbRun("seqlab")._start(Run({"id": "a", "runs_dir": str(tmp_path)}))
    assert seen == [mode]
