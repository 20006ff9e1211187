"""Slurm: what is submitted, what is asked of the queue, what is requeued; and all of it on a real Slurm."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import TINY, Command
from exact import differences, result_of, run_of
from seqlab.engines import slurm
from seqlab.engines.base import Ending
from seqlab.engines.slurm import Queued, Slurm
from seqlab.errors import ConfigError
from seqlab.experiment import make
from seqlab.ledger import find
from seqlab.runs import Run

LAB = Path(__file__).parents[3] / "shared" / "slurm_up.sh"
"""A script that brings up a whole Slurm on this machine."""
PORT = 17800
"""Where that Slurm's controller listens."""

Fake = Callable[..., Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Makes commands that note how they were called, and answer what they are told to."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def command(name: str, answer: str = "", code: int = 0, told: str = "") -> Path:
        calls = tools / f"{name}.calls"
        (tools / name).write_text(
            f"#!/bin/sh\necho \"$@\" >> {calls}\ncat <<'.'\n{answer and answer + chr(10)}.\n"
            f"[ -z '{told}' ] || echo '{told}' >&2\nexit {code}\n"
        )
        (tools / name).chmod(0o755)
        return calls

    command("srun")
    command("sbatch", "Submitted batch job 7")
    command("squeue")
    command("scontrol")
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        assert len(naps) < 20, "it waits for ever"

    monkeypatch.setattr(time, "sleep", sleep)
    return command


def prepared(root: Path, *overrides: str) -> Run:
    run = run_of(root, *overrides)
    run.prepare()
    return run


def script_of(root: Path, job: int = 7) -> str:
    return (root / ".slurm" / f"{job}_submission.sh").read_text()


needs_submitit = pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="submitit is not installed")


def test_without_submitit_its_extra_is_named(fake: Fake, seqlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, before anything is prepared."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "submitit" else found(name, *a))
    answer = seqlab("train", "-m", "hydra/launcher=slurm", "logger=none", *TINY)
    assert answer.code == 2
    assert "pip install 'seqlab[slurm]'" in answer.err
    assert not Path("runs").exists()


@needs_submitit
def test_where_no_jobs_can_be_submitted_that_is_said(seqlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without sbatch is no place to start from."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    answer = seqlab("train", "-m", "hydra/launcher=slurm", "logger=none", *TINY)
    assert answer.code == 2
    assert "there is no sbatch" in answer.err


def test_a_launcher_that_cannot_be_left_says_so(seqlab: Command) -> None:
    """Processes on this machine end with the command."""
    answer = seqlab("train", "-m", "--detach", "logger=none", *TINY)
    assert answer.code == 2
    assert "--detach: runs of this launcher end with the command." in answer.err


def test_an_option_that_the_launcher_does_not_have_is_named(seqlab: Command) -> None:
    """With the closest that it has."""
    answer = seqlab("train", "-m", "hydra/launcher=slurm", "hydra.launcher.partitions=a", "logger=none", *TINY)
    assert answer.code == 2
    assert "Did you mean hydra.launcher.partition?" in answer.err


@needs_submitit
def test_what_a_job_needs_follows_from_its_run(fake: Fake, tmp_path: Path) -> None:
    """Tasks are processes, processors are threads and data workers, GPUs are there where the trainer names them."""
    engine = Slurm()
    plain = run_of(tmp_path)
    assert engine.shape_of(plain) == (1, 1, 1, 0, 1)
    assert engine.shape_of(run_of(tmp_path, "threads=2", "data.workers=3")) == (1, 1, 5, 0, 2)
    assert engine.shape_of(run_of(tmp_path, "trainer.devices=4", "trainer.num_nodes=2")) == (2, 4, 1, 0, 1)
    assert engine.shape_of(run_of(tmp_path, "trainer=gpu", "trainer.devices=4")) == (1, 4, 1, 4, 1)
    assert engine.shape_of(run_of(tmp_path, "trainer=auto")).gpus_per_node == 0
    asked = Slurm(gpus=2, cpus_per_task=8)
    assert asked.shape_of(run_of(tmp_path, "trainer=auto", "trainer.devices=2")) == (1, 2, 8, 4, 1)
    assert asked.shape_of(plain).gpus_per_node == 0


@needs_submitit
def test_runs_of_one_shape_share_an_array(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no array is larger than Slurm allows; each run's folder says which job it is."""
    monkeypatch.setattr(slurm, "LARGEST", 2)
    sbatch = fake("sbatch", "Submitted batch job 7")
    runs = [prepared(tmp_path / "runs", f"seed={seed}") for seed in (1, 2, 3)]
    pair = prepared(tmp_path / "runs", "seed=4", "trainer.devices=2")
    engine = Slurm(partition="main", setup=["module load x"], additional_parameters={"account": "us"}, detach=True)
    assert list(engine.make([runs[0], pair, *runs[1:]])) == []
    assert len(sbatch.read_text().splitlines()) == 3
    assert [(run.folder / ".slurm-job").read_text() for run in (*runs, pair)] == ["7_0", "7_1", "7", "7"]
    text = script_of(tmp_path / "runs")
    for line in ("--ntasks-per-node=2", "--partition=main", "--account=us", "--requeue", "--signal=USR2@120"):
        assert f"#SBATCH {line}\n" in text
    assert text.index("export OMP_NUM_THREADS=1") < text.index("module load x") < text.index("srun ")
    assert find([tmp_path / "runs"]) == sorted(run.folder for run in (*runs, pair))


@needs_submitit
def test_what_sbatch_refuses_is_one_line(fake: Fake, tmp_path: Path) -> None:
    """As is an option of the wrong type."""
    fake("sbatch", code=1, told="sbatch: error: invalid partition specified: nope")
    run = prepared(tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"^hydra/launcher=slurm: sbatch says: invalid partition specified: nope$"):
        list(Slurm(partition="nope").make([run]))
    with pytest.raises(ConfigError, match="timeout_min"):
        list(Slurm(timeout_min="long").make([run]))  # type: ignore[arg-type]


@needs_submitit
def test_a_job_in_the_queue_is_not_submitted_again(fake: Fake, tmp_path: Path) -> None:
    """It is waited for; one whose number was given to somebody else's job since is not ours."""
    ours, theirs, over = (prepared(tmp_path / "runs", f"seed={seed}") for seed in (1, 2, 3))
    for run, job in ((ours, "5_0"), (theirs, "5_1"), (over, "5_2")):
        (run.folder / ".slurm-job").write_text(job)
    script = tmp_path / "runs" / ".slurm" / "x.sh"
    squeue = fake(
        "squeue", f"5_0|PENDING|Resources|{script}\n5_1|RUNNING|None|/other/x.sh\n5_2|COMPLETED|None|{script}"
    )
    sbatch = fake("sbatch", "Submitted batch job 7")
    list(Slurm(detach=True).make([ours, theirs, over]))
    assert [(run.folder / ".slurm-job").read_text() for run in (ours, theirs, over)] == ["5_0", "7_0", "7_1"]
    assert len(sbatch.read_text().splitlines()) == 1
    assert [line.split()[-1] for line in squeue.read_text().splitlines()] == ["--jobs=5"]


@needs_submitit
def test_a_run_that_is_being_made_is_waited_for_if_a_job_makes_it(fake: Fake, tmp_path: Path) -> None:
    """A job of an earlier command is this one's too; what somebody else makes is left to them."""
    ours, theirs = (prepared(tmp_path / "runs", f"seed={seed}") for seed in (1, 2))
    (ours.folder / ".slurm-job").write_text("5")
    sbatch = fake("sbatch", "Submitted batch job 7")
    fake("squeue", f"5|RUNNING|None|{tmp_path}/runs/.slurm/x.sh")
    engine = Slurm()
    assert engine.adopts
    with ours.lease(), theirs.lease():
        assert engine._submitted([ours, theirs]) == {"5": ours}
    assert not sbatch.exists()


@needs_submitit
def test_a_job_that_left_no_word_is_told_with_what_slurm_knows(fake: Fake, tmp_path: Path) -> None:
    """Gone from the queue, or ended in a state that its run could not write down."""
    killed, gone = (prepared(tmp_path / "runs", f"seed={seed}") for seed in (1, 2))
    fake("squeue", "7_0|OUT_OF_MEMORY|None|x")
    endings = list(Slurm().make([killed, gone]))
    assert [ending and ending.run.id for ending in endings] == [killed.id, gone.id]
    deaths = [ending.death for ending in endings if isinstance(ending, Ending)]
    assert deaths[0].startswith("its Slurm job ended as OUT_OF_MEMORY; see ")
    assert deaths[1].startswith("its Slurm job is gone from the queue; see ")


@needs_submitit
def test_a_controller_that_does_not_answer_is_asked_again(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its silence says nothing about the jobs."""
    run = prepared(tmp_path / "runs")
    fake("squeue", code=1, told="slurm_load_jobs error: Unable to contact slurm controller")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        assert len(pauses) < 20
        if len(pauses) == 3:
            fake("squeue", code=1, told="slurm_load_jobs error: Invalid job id specified")

    monkeypatch.setattr(time, "sleep", sleep)
    assert [ending and ending.run for ending in Slurm().make([run])] == [run]
    assert caplog.text.count("Slurm does not answer: slurm_load_jobs error: Unable to contact slurm controller") == 2
    assert pauses == sorted(set(pauses))


@needs_submitit
def test_a_job_is_ended_only_when_it_has_left_the_queue(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pending, requeued, on its way out: it is waited for, and the wait is told; whoever stops waiting leaves it."""
    caplog.set_level("INFO")
    monkeypatch.setattr(slurm, "TICK", 0.0)
    run = prepared(tmp_path / "runs")
    waiting = Slurm().make([run])
    for state, reason in (("PENDING", "BeginTime"), ("RUNNING", "None"), ("COMPLETING", "None"), ("REQUEUED", "None")):
        fake("squeue", f"7|{state}|{reason}|x")
        assert next(waiting) is None
    assert "in the queue: 1 PENDING (BeginTime)" in caplog.text
    assert "in the queue: 1 RUNNING\n" in caplog.text
    waiting.close()  # type: ignore[attr-defined]
    assert "1 job left to Slurm. The same command waits for them; to stop them: scancel 7" in caplog.text


def test_the_queues_lines_are_read() -> None:
    """A script's path may hold anything."""
    queue = slurm.read("12_3|PENDING|(Resources)|/a|b/.slurm/x.sh\n13|RUNNING|None|/c/x.sh\n")
    assert queue == {
        "12_3": Queued("PENDING", "(Resources)", "/a|b/.slurm/x.sh"),
        "13": Queued("RUNNING", "None", "/c/x.sh"),
    }
    assert slurm.read("") == {}
    assert slurm.summed([Queued("RUNNING", "None", "")] * 2 + [Queued("PENDING", "Priority", "")]) == (
        "2 RUNNING, 1 PENDING (Priority)"
    )


TASK = """
import sys
from pathlib import Path
from seqlab import job
from seqlab.engines.slurm import make_here
job.make = lambda folder: print("made") or int(sys.argv[2])
make_here(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("rank", "state", "code", "requeued"),
    [
        ("0", "RUNNING", 143, True),
        ("0", "COMPLETING", 143, False),
        ("0", "RUNNING", 1, False),
        ("1", "RUNNING", 143, False),
    ],
)
def test_a_job_that_was_stopped_is_requeued_unless_slurm_has_decided(
    fake: Fake, tmp_path: Path, rank: str, state: str, code: int, requeued: bool
) -> None:
    """Once, by the first of its tasks; the process ends with the run's code, its output lies in the run folder."""
    scontrol, _ = fake("scontrol"), fake("squeue", f"12_3|{state}|None|x")
    task = subprocess.run(
        [sys.executable, "-c", TASK, str(tmp_path), str(code)],
        env={**os.environ, "SLURM_PROCID": rank, "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"},
        capture_output=True,
        text=True,
    )
    assert task.returncode == code, task.stderr
    assert (scontrol.read_text() if scontrol.exists() else "") == ("requeue 12_3\n" if requeued else "")
    log = tmp_path / "log.txt"
    assert (log.read_text() if log.exists() else "").startswith("made") == (rank == "0")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Slurm of two nodes on this machine, for as long as the tests run."""
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed")
    for program in ("slurmctld", "slurmd", "munged"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip(f"no {program}, so no real Slurm")
    if not LAB.exists():
        pytest.skip(f"no {LAB}, which brings up a real Slurm")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"another Slurm listens on port {PORT} of this machine")
    home = tmp_path_factory.mktemp("slurm")
    environment = {**os.environ, "SLURM_LAB": str(home), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    up = subprocess.run(["bash", LAB, "up", "2"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        if up.returncode or "idle" not in up.stdout:
            pytest.skip(f"Slurm could not be brought up here (exit code {up.returncode})")
        yield home
    finally:
        subprocess.run(["bash", LAB, "down"], env=environment, stdout=subprocess.DEVNULL)


def process_of(run: Run) -> int:
    """The process that writes a run's log."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "fd" / "1").readlink() == run.folder / "log.txt":
                return int(process.name)
        except OSError:  # it has ended, or is not ours to see
            continue
    raise AssertionError(f"nobody writes {run.folder / 'log.txt'}")


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_on_a_real_slurm_runs_go_on_by_themselves_and_the_same_command_makes_what_is_missing(
    lab: Path, seqlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone: told that time is out, a job is requeued and comes to the same bits; cancelled or killed, it is not."""
    monkeypatch.setenv("SLURM_CONF", str(lab / "slurm.conf"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    sweep = ["train", "-m", "seed=1,2,3", "logger=none", "trainer=cpu", "cell.hidden_size=8", "trainer.max_epochs=3"]
    sweep += ["data.train_size=6000", "callbacks.resume.every=1", "hydra/launcher=slurm"]
    answer = seqlab(*sweep, "--detach")
    assert answer.code == 0, answer.err
    assert "3 jobs submitted to Slurm" in answer.out
    runs = [Run.load(folder) for folder in find([tmp_path / "runs"])]
    told, _, killed = runs
    jobs = [(run.folder / ".slurm-job").read_text() for run in runs]
    with subprocess.Popen(
        [sys.executable, "-m", "seqlab", *sweep], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as waiting:
        assert waiting.stdout is not None
        said = [waiting.stdout.readline() for _ in range(2)]
        assert said[1] == "3 jobs in Slurm's queue already\n"
        for run, job in zip(runs, jobs, strict=True):
            wait_until((run.folder / "checkpoints" / "last.ckpt").exists)
            if run is killed:
                os.kill(process_of(run), 9)
            else:
                subprocess.run(["scancel", *(["--signal=USR2"] if run is told else []), job], check=True)
        base = Run.load(told.folder)
        base.config["runs_dir"] = str(tmp_path / "base")
        make(base)
        rest = waiting.stdout.read()
    assert waiting.returncode == 1, rest
    assert "2 of 3 runs did not finish" in rest
    assert "preempted: its Slurm job ended as CANCELLED" in rest
    assert "interrupted: its Slurm job ended as FAILED" in rest
    assert (told.folder / ".slurm-job").read_text() == jobs[0]
    assert list(differences(result_of(base), result_of(told))) == []
    answer = seqlab(*sweep)
    assert answer.code == 0, answer.err
    assert "3 runs: 1 finished already, 2 to make" in answer.out
    for run in runs:
        assert "goes on from step" in (run.folder / "log.txt").read_text()
        assert run.finished
