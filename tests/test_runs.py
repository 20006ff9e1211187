"""One command, one run: identity, folder, lease, atomic files, and what is told."""

from __future__ import annotations

import csv
import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from conftest import TINY, WILD, Command
from seqlab.errors import OutputError, SeqlabError
from seqlab.identity import group_of
from seqlab.ledger import find, is_leased
from seqlab.runs import Run


def only_run(root: Path) -> Path:
    (folder,) = find([root])
    return folder


def config(seed: int = 1, **changes: object) -> dict:
    return {
        "seed": seed,
        "cell": {"hidden_size": 8},
        "trainer": {"devices": 1, "max_epochs": 2},
        "runs_dir": "runs",
        **changes,
    }


def test_identity_holds_what_can_change_the_result_and_nothing_else() -> None:
    """Seed, paths, devices and loggers do not make another experiment; sizes and epochs do."""
    identity = group_of(config(), "adding", "lstm")
    assert identity.startswith("adding-lstm-")
    assert len(identity.rpartition("-")[2]) == 8
    same = [
        config(seed=2),
        config(runs_dir="/elsewhere"),
        config(logger={"wandb": {}}),
        config(threads=4),
        config(trainer={"devices": 1, "max_epochs": 2.0}),
        config(trainer={"devices": 4, "max_epochs": 2, "accelerator": "gpu"}),
    ]
    assert {group_of(c, "adding", "lstm") for c in same} == {identity}
    others = [config(cell={"hidden_size": 9}), config(trainer={"devices": 1, "max_epochs": 3})]
    assert len({identity, *(group_of(c, "adding", "lstm") for c in others)}) == 3


def test_a_run_folder_holds_the_facts(train: Command, tmp_path: Path) -> None:
    """Configuration, overrides, metrics, summary, checkpoints, samples: each where it is said to be."""
    answer = train("data=translation", "cell=vanilla", "seed=7")
    assert answer.code == 0, answer.err
    folder = only_run(tmp_path)
    assert folder.name.startswith("translation-vanilla-")
    assert folder.name.endswith("-s7")
    written = yaml.safe_load((folder / "config.yaml").read_text())
    assert written["data"]["seed"] == 7
    assert written["choices"]["task"] == "translate"
    assert "cell=vanilla" in yaml.safe_load((folder / "overrides.yaml").read_text())
    assert (folder / "metrics.csv").read_text().startswith("epoch,step,")
    assert (folder / "checkpoints" / "best.ckpt").exists()
    assert (folder / "checkpoints" / "last.ckpt").exists()
    assert "truth" in json.loads((folder / "samples.jsonl").read_text().splitlines()[0])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert set(summary["test"]) == {"test/loss", "test/token_accuracy", "test/exact_match"}
    assert {"val/loss", "val/exact_match"} <= set(summary["best"])
    for fact in ("parameters", "state_size", "seconds", "tokens_per_second", "fingerprint", "references", "steps"):
        assert summary[fact], fact
    assert 1e7 < summary["peak_memory"] < 1e11
    assert summary["environment"]["threads"] == 1
    assert summary["environment"]["torch"] == torch.__version__


def test_the_same_command_again_finds_its_run_finished(train: Command, tmp_path: Path) -> None:
    """Said so, in no time, and the folder is untouched; another value is another run."""
    train()
    folder = only_run(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.name != ".lock"}
    answer = train()
    assert answer.code == 0
    assert "finished already" in answer.out
    assert {file: file.stat().st_mtime_ns for file in before} == before
    train("cell.hidden_size=9")
    assert len(find([tmp_path])) == 2


def test_a_trial_is_made_again_and_is_no_result(train: Command, seqlab: Command) -> None:
    """trainer=debug is for finding faults: it runs whenever asked, and compare leaves it out."""
    tiny = ["cell.hidden_size=4"]
    train(tiny=TINY)
    for _ in range(2):
        answer = train("trainer=debug", tiny=tiny)
        assert answer.code == 0
        assert "finished already" not in answer.out
    assert "  1  " in seqlab("compare", "runs").out
    assert "hidden_size" not in seqlab("compare", "runs").out


def test_checkpoints_load_without_running_code(train: Command, tmp_path: Path) -> None:
    """Tensors, numbers, texts, lists and mappings alone; and the metrics that the best was chosen by."""
    train()
    for name in ("best", "last"):
        loaded = torch.load(only_run(tmp_path) / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert "val/loss" in loaded["metrics"]


TIRED = """
import os, signal
from pathlib import Path
from torch import nn

class Tired(nn.RNN):
    calls = 0

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, batch_first=True)

    def forward(self, x, state=None):
        Tired.calls += self.training and len(x) > 2
        if Tired.calls == 5 and not Path("rested").exists():
            Path("rested").touch()
            os.kill(os.getpid(), signal.SIGINT)
        return super().forward(x, state)
"""


def test_an_interrupted_run_goes_on_from_its_last_checkpoint(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the third epoch: exit 130, no result; the same command makes the third epoch and no other."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "tired.py").write_text(TIRED)
    (tmp_path / "mine" / "cell" / "tired.yaml").write_text("_target_: tired.Tired\n_partial_: true\nhidden_size: 4\n")
    tiny = [word for word in TINY if "max_epochs" not in word]
    # "best" is what never comes back here, so that the best checkpoint is not also the last
    command = ["--config-dir", "mine", "cell=tired", "trainer.max_epochs=3", "callbacks.checkpoint.mode=max"]
    before = signal.getsignal(signal.SIGINT)
    answer = train(*command, tiny=tiny)
    assert signal.getsignal(signal.SIGINT) is before
    assert answer.code == 130
    folder = only_run(tmp_path)
    assert f"{folder.name}: stopped at step 5. Go on with: seqlab resume runs/{folder.name}\n" in answer.err
    assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
    earned = (folder / "metrics.csv").read_text().splitlines()[1:]
    answer = train(*command, tiny=tiny)
    assert answer.code == 0, answer.err
    assert answer.out.count("epoch   ") == 1
    assert "epoch   3  step      6" in answer.out
    assert json.loads((folder / "summary.json").read_text())["steps"] == 6
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert len(earned) == 3
    assert "goes on from step 5" in answer.out
    assert len(rows) == 1 + 2 + 3 + 1  # the header, gradients at the start and at the end, three validations, the test
    assert train(*command, "runs_dir=uninterrupted", tiny=tiny).code == 0
    other = json.loads((only_run(tmp_path / "uninterrupted") / "summary.json").read_text())
    last = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (folder, tmp_path / "uninterrupted" / folder.name)
    ]
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
    assert other["best"] == json.loads((folder / "summary.json").read_text())["best"]


def test_the_cost_of_a_run_counts_what_came_before_an_interruption(train: Command, tmp_path: Path) -> None:
    """Seconds and positions are in the checkpoint, and stand beside each validation; the test set was read again."""
    train()
    folder = only_run(tmp_path)
    first = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").unlink()
    assert train().code == 0
    again = json.loads((folder / "summary.json").read_text())
    assert again["seconds"] >= 0.5 * first["seconds"]
    assert again["test"] == first["test"]
    assert (first["test_reads"], again["test_reads"]) == (1, 2)


def test_what_it_took_stands_beside_each_validation(train: Command, tmp_path: Path) -> None:
    """Tokens are those of the batches until then; seconds grow."""
    train(
        "data=adding",
        "data.length=7",
        "data.batch_size=10",
        tiny=[*TINY, "trainer.limit_train_batches=3", "trainer.max_epochs=2"],
    )
    with (only_run(tmp_path) / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/mse"]]
    steps = [int(row["step"]) + 1 for row in rows]
    assert [float(row["train/tokens"]) for row in rows] == [70.0 * step for step in steps]
    seconds = [float(row["train/seconds"]) for row in rows]
    assert 0 < seconds[0] < seconds[-1]


def test_a_run_that_diverges_says_so(train: Command, tmp_path: Path) -> None:
    """It stops, exits 3, is recorded with its cause, and has no result."""
    answer = train(tiny=WILD)
    assert answer.code == 3
    assert "is nan at step" in answer.err or "is inf at step" in answer.err
    summary = json.loads((only_run(tmp_path) / "summary.json").read_text())
    assert summary["status"] == "diverged"
    assert "test" not in summary


def test_what_we_did_not_foresee_is_one_line_and_its_traceback_is_kept(train: Command, tmp_path: Path) -> None:
    """A cell that fails in the middle of training: exit 1, the cause, and where to read more."""
    plugin = tmp_path / "mine"
    (plugin / "cell").mkdir(parents=True)
    (plugin / "cell" / "moody.yaml").write_text("_target_: moody.Moody\n_partial_: true\nhidden_size: 4\n")
    (plugin / "moody.py").write_text(
        "from torch import nn\n"
        "class Moody(nn.RNN):\n"
        "    def __init__(self, input_size, hidden_size):\n"
        "        super().__init__(input_size, hidden_size, batch_first=True)\n"
        "    def forward(self, x, state=None):\n"
        "        if len(x) > 2: raise RuntimeError('not today')\n"
        "        return super().forward(x, state)\n"
    )
    tiny = [word for word in TINY if "hidden_size" not in word]
    answer = train("--config-dir", "mine", "cell=moody", tiny=tiny)
    assert answer.code == 1
    assert "seqlab: RuntimeError: not today (traceback in runs/adding-moody-" in answer.err
    assert answer.err.count("\n") == 1
    assert "raise RuntimeError" in json.loads((only_run(tmp_path) / "summary.json").read_text())["traceback"]


def test_a_run_that_somebody_finishes_meanwhile_is_not_made_again(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at its folder and the lease, while the model is built."""
    from seqlab import experiment

    build = experiment.build

    def slowly(run: Run) -> experiment.Built:
        monkeypatch.setattr(experiment, "build", build)
        experiment.make(run)
        return build(run)

    monkeypatch.setattr(experiment, "build", slowly)
    answer = train()
    assert answer.code == 0
    assert answer.out.count(": finished, ") == 1
    assert answer.out.count("finished already") == 1


def test_a_lease_is_held_by_one_process_and_freed_when_it_dies(tmp_path: Path) -> None:
    """The kernel frees it, however the process ends."""
    run = Run({"id": "a-b-00000000-s1", "seed": 1, "runs_dir": str(tmp_path)})
    run.prepare()
    hold = (
        "import sys, time; from seqlab.runs import Run\n"
        f"with Run({run.config!r}).lease(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_leased(run.folder)
        with pytest.raises(SeqlabError, match="another process is making this run"), run.lease():
            pass
        other.kill()
    assert not is_leased(run.folder)
    with run.lease():
        pass


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that outlives its process, or none, would lose runs or make them twice."""
    run = Run({"id": "a-b-00000000-s1", "seed": 1, "runs_dir": str(tmp_path)})
    run.prepare()

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OutputError, match="cannot be locked"), run.lease():
        pass


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    """As is one that does not exist, one that holds no run, and a file."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: is a file"):
        find([tmp_path / "file"])
    with pytest.raises(OutputError, match="no such folder"):
        find([tmp_path / "nope"])
    with pytest.raises(OutputError, match="no run folders"):
        find([tmp_path])
    with pytest.raises(OutputError, match="not a run folder"):
        Run.load(tmp_path)
