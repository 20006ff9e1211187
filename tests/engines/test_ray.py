"""The Ray engine: whatever becomes of a node or of a run, every result comes once, and to the bits of the local engine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Command
from exact import differences, result_of
from seqlab.ledger import find, status
from seqlab.runs import Run

SWEEP = [
    "train",
    "-m",
    "--config-dir",
    "mine",
    "cell=slow",
    "data.train_size=1200",
    "data.val_size=20",
    "data.test_size=20",
    "data.batch_size=20",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "callbacks.resume.every=0",
    "logger=none",
    "seed=1,2",
]
"""Two runs that may be stopped after any batch."""

SLOW = """
import os, time
from torch import nn

class Slow(nn.RNN):
    def __init__(self, input_size, hidden_size, mood):
        super().__init__(input_size, hidden_size, batch_first=True)
        self.mood = mood

    def forward(self, x, state=None):
        if self.mood == "killed" and len(x) > 2:
            os.kill(os.getpid(), 9)
        time.sleep(float(os.environ.get("SEQLAB_PAUSE", 0)))
        return super().forward(x, state)
"""


@pytest.fixture
def slow(tmp_path: Path) -> None:
    """A cell that takes its time."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "slow.py").write_text(SLOW)
    (tmp_path / "mine" / "cell" / "slow.yaml").write_text(
        "_target_: slow.Slow\n_partial_: true\nhidden_size: 4\nmood: fine\n"
    )


@pytest.fixture
def nodes() -> Iterator[tuple[str, Callable[[], None]]]:
    """Two nodes with room for a run each, beside a head with none: their address, and a way to kill one of the two."""
    pytest.importorskip("ray", reason="Ray is not installed")
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    cluster = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CLUSTER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert cluster.stdout is not None
    try:
        yield cluster.stdout.readline().strip(), lambda: print("kill", file=cluster.stdin, flush=True)
    finally:
        cluster.communicate()


CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
first, second = (cluster.add_node(num_cpus=1) for _ in range(2))
print(cluster.address, flush=True)
if sys.stdin.readline():
    cluster.remove_node(second, allow_graceful=False)
    sys.stdin.read()
cluster.shutdown()
"""


def under_way(folder: Path) -> list[Path]:
    """The runs that are being made and have something to go on from."""
    kept = [checkpoint.parent.parent for checkpoint in folder.glob("*/checkpoints/last.ckpt")]
    return [run for run in kept if status(run).state == "running"]


def test_without_ray_a_line_names_the_extra(seqlab: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is started or written."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "ray" else find_spec(name, *of))
    answer = seqlab("train", "-m", "seed=1,2", "logger=none", "hydra/launcher=ray")
    assert answer.code == 2
    assert "hydra/launcher=ray: Ray is not installed. Install it with: pip install 'seqlab[ray]'" in answer.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("num_cpus=many", "hydra.launcher.num_cpus: got 'many'; expected a number of at least 0."),
        ("max_retries=-2", "hydra.launcher.max_retries: got -2; expected an integer of at least 0, or -1."),
        ("address=127.0.0.1:1", "hydra.launcher.address=127.0.0.1:1: no Ray cluster can be used there"),
    ],
)
def test_what_ray_cannot_use_is_refused_in_a_line(seqlab: Command, option: str, told: str) -> None:
    """An option of the wrong kind, and an address where nobody is."""
    pytest.importorskip("ray", reason="Ray is not installed")
    answer = seqlab("train", "-m", "seed=1,2", "logger=none", "hydra/launcher=ray", f"hydra.launcher.{option}")
    assert answer.code == 2
    assert told in answer.err


@pytest.mark.usefixtures("slow")
def test_a_killed_node_and_a_killed_run_cost_nothing_else(
    seqlab: Command, nodes: tuple[str, Callable[[], None]], tmp_path: Path
) -> None:
    """What the node was making is made elsewhere, to the bits of the local engine; the killed run is told and stays."""
    address, kill_one = nodes
    ray = ["hydra/launcher=ray", f"hydra.launcher.address={address}", "runs_dir=ray", "cell.mood=fine,killed"]
    with subprocess.Popen(
        [sys.executable, "-m", "seqlab", *SWEEP, *ray],
        env={**os.environ, "SEQLAB_PAUSE": "0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as sweep:
        while sweep.poll() is None and len(under_way(tmp_path / "ray")) < 2:
            time.sleep(0.05)
        kill_one()
        told, _ = sweep.communicate()
    assert "lost with its node or worker; begun again elsewhere" in told
    assert "Raylet is terminated" not in told
    assert "2 of 4 runs did not finish:" in told
    assert "2 × interrupted: its process was killed by SIGKILL (out of memory?)" in told
    assert sweep.returncode == 1
    assert any("goes on from step" in log.read_text() for log in tmp_path.glob("ray/*/log.txt"))
    assert seqlab(*SWEEP, "runs_dir=local").code == 0
    for local in find([tmp_path / "local"]):
        elsewhere = tmp_path / "ray" / local.name
        assert not list(differences(result_of(Run.load(elsewhere)), result_of(Run.load(local))))
