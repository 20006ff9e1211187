"""A Slurm cluster: a job for each run, in job arrays that submitit writes; the jobs need nobody to wait for them.

A job and the command that submitted it meet in the run folder alone, so ``runs_dir`` must lie on a file system that all
nodes share and that has file locks. Whether a job is still to be waited for is asked of the queue, never of Slurm's
accounting, which many clusters do without.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from seqlab import job
from seqlab.engines.base import TICK, Ending, Engine
from seqlab.errors import ConfigError, Preempted, SeqlabError
from seqlab.ledger import NAMES, is_leased
from seqlab.runs import Run
from seqlab.stopping import SIGNALS, listening
from seqlab.terminal import count

log = logging.getLogger(__name__)

FOLDER = ".slurm"
"""Below ``runs_dir``: batch files, pickled calls, and what Slurm itself says of a job."""
RECORD = ".slurm-job"
"""In a run folder: the job that it was submitted as last."""
LARGEST = 1000
"""Jobs in one array; Slurm's own bound, MaxArraySize, is 1001 unless the cluster sets another."""
NOTICE = 120
"""Seconds before its time limit at which a job is told; Slurm may be up to a minute early."""
FIRST_POLL, LAST_POLL = 1.0, 10.0
"""Seconds between two questions to the queue: few at first, then more, since a controller has many to answer."""

ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
"""The states of a job that will not run again; in any other it waits, runs, or is about to end or to be requeued."""


class Shape(NamedTuple):
    """What a job needs of the cluster; runs of one shape share an array."""

    nodes: int
    tasks_per_node: int
    cpus_per_task: int
    gpus_per_node: int
    threads: int


class Queued(NamedTuple):
    """What the queue says of one job."""

    state: str
    reason: str
    script: str


class Slurm(Engine):
    """Jobs of a Slurm cluster, which go on whatever becomes of the command that submitted them.

    A job whose time runs out or that is preempted saves its run and is requeued, until the run has come to its end; one
    that somebody cancels is not.

    Args:
        partition: where; ``None`` for the cluster's default.
        timeout_min: the time limit of a job, in minutes; a run may take several times as long.
        cpus_per_task: of each process; ``None`` for its threads and its data workers.
        gpus: of each process; ``None`` for one where ``trainer.accelerator`` names GPUs, and none where it does not.
        mem: of each node, such as ``4GB``; ``None`` for the cluster's default.
        array_parallelism: how many jobs of one array run at once.
        setup: shell commands before each job, such as ``module load cuda``.
        additional_parameters: any other of sbatch's options, such as ``account``.
        detach: whether the runs are left to themselves once they are submitted.

    Raises:
        ConfigError: submitit is not installed, or this machine cannot submit jobs.
    """

    adopts = True

    def __init__(
        self,
        partition: str | None = None,
        timeout_min: int = 60,
        cpus_per_task: int | None = None,
        gpus: int | None = None,
        mem: str | None = None,
        array_parallelism: int = 256,
        setup: Sequence[str] = (),
        additional_parameters: Mapping[str, Any] | None = None,
        detach: bool = False,
    ):
        if importlib.util.find_spec("submitit") is None:
            raise ConfigError("hydra/launcher=slurm needs submitit. Install it with: pip install 'seqlab[slurm]'")
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise ConfigError(
                "hydra/launcher=slurm: there is no sbatch or no srun on this machine. Give the command where jobs are "
                "submitted, or take hydra/launcher=local."
            )
        self.cpus_per_task, self.gpus = cpus_per_task, gpus
        self.setup, self.detached = list(setup), detach
        self.parameters = {
            "name": "seqlab",
            "timeout_min": timeout_min,
            "stderr_to_stdout": True,
            "slurm_partition": partition,
            "slurm_mem": mem,
            "slurm_array_parallelism": array_parallelism,
            "slurm_signal_delay_s": NOTICE,
            "slurm_additional_parameters": {"requeue": True, **(additional_parameters or {})},
        }

    def make(self, runs: Sequence[Run]) -> Iterator[Ending | None]:
        """One job per run, of as many tasks as the run has processes; one that is in the queue is waited for instead.

        What somebody else is making is left to them.

        Raises:
            ConfigError: Slurm refuses the jobs.
            SeqlabError: Slurm does not answer.
        """
        waiting = self._submitted(runs)
        if self.detached:
            return
        pause, told = FIRST_POLL, time.monotonic()
        try:
            while waiting:
                time.sleep(pause)
                pause = min(1.5 * pause, LAST_POLL)
                try:
                    queue = ask(waiting)
                except SeqlabError as silence:  # it will answer again; the jobs go on meanwhile
                    log.warning("%s", silence)
                    continue
                for job_id in [job_id for job_id in waiting if not is_live(queue.get(job_id))]:
                    yield _ending(waiting.pop(job_id), job_id, queue.get(job_id))
                if waiting and time.monotonic() - told >= TICK:
                    told = time.monotonic()
                    log.info("in the queue: %s", summed(queue[job_id] for job_id in waiting))
                    yield None
        finally:
            if waiting:
                arrays = " ".join(sorted({array_of(job_id) for job_id in waiting}))
                jobs = count(len(waiting), "job")
                log.info("%s left to Slurm. The same command waits for them; to stop them: scancel %s", jobs, arrays)

    def _submitted(self, runs: Sequence[Run]) -> dict[str, Run]:
        """The job of each run that is not somebody else's: the one that is in the queue, or else a new one."""
        recorded = {job_id: run for run in runs if (job_id := _recorded(run))}
        queue = ask(recorded) if recorded else {}
        jobs = {job_id: run for job_id, run in recorded.items() if is_live(queue.get(job_id), _folder(run))}
        if jobs:
            log.info("%s in Slurm's queue already", count(len(jobs), "job"))
        queued = {run.id for run in jobs.values()}
        shapes: dict[tuple[Path, Shape], list[Run]] = defaultdict(list)
        for run in runs:
            if run.id not in queued and not is_leased(run.folder):
                shapes[_folder(run), self.shape_of(run)].append(run)
        for (folder, shape), alike in shapes.items():
            for first in range(0, len(alike), LARGEST):
                jobs |= self._submit(alike[first : first + LARGEST], shape, folder)
        return jobs

    def _submit(self, runs: Sequence[Run], shape: Shape, folder: Path) -> dict[str, Run]:
        """One array of jobs, each recorded in its run's folder."""
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        threads = f"export OMP_NUM_THREADS={shape.threads} MKL_NUM_THREADS={shape.threads}"
        try:
            executor = AutoExecutor(folder, cluster="slurm")
            executor.update_parameters(
                **self.parameters,
                nodes=shape.nodes,
                tasks_per_node=shape.tasks_per_node,
                cpus_per_task=shape.cpus_per_task,
                gpus_per_node=shape.gpus_per_node or None,
                slurm_setup=[threads, *self.setup],
            )
            with redirect_stderr(StringIO()):  # where submitit repeats what it raises
                submitted = executor.map_array(make_here, [run.folder.resolve() for run in runs])
        except AssertionError as error:  # this is how submitit refuses an option's type
            raise ConfigError(f"hydra/launcher=slurm: {error}") from error
        except (FailedJobError, FailedSubmissionError) as error:
            told = str(error).replace("sbatch: error: ", "").splitlines()
            raise ConfigError(f"hydra/launcher=slurm: sbatch says: {'; '.join(told)}") from error
        jobs = {each.job_id: run for each, run in zip(submitted, runs, strict=True)}
        for job_id, run in jobs.items():
            (run.folder / RECORD).write_text(job_id, encoding="utf-8")
        log.info("%s submitted to Slurm as %s", count(len(jobs), "job"), array_of(next(iter(jobs))))
        return jobs

    def shape_of(self, run: Run) -> Shape:
        """What a run's job needs, read off its trainer, its threads and its data workers."""
        trainer, threads = run.config["trainer"], run.config["threads"]
        devices = trainer["devices"]
        named = {"cpu": 0, "gpu": 1, "cuda": 1}
        wanted = named.get(trainer["accelerator"], 0) if self.gpus is None else self.gpus
        return Shape(
            nodes=trainer["num_nodes"],
            tasks_per_node=devices,
            cpus_per_task=self.cpus_per_task or threads + run.config["data"].get("workers", 0),
            gpus_per_node=0 if trainer["accelerator"] == "cpu" else wanted * devices,
            threads=threads,
        )


def make_here(folder: Path) -> None:
    """One task of a job: makes the run in a folder, and has the job requeued if it was stopped before its end.

    It ends its process with the run's exit code, so that Slurm knows it too; submitit keeps no result.
    """
    first = os.environ.get("SLURM_PROCID", "0") == "0"
    if first:
        job.write_to(folder / NAMES["log"])
    signal.signal(signal.SIGCONT, signal.SIG_DFL)  # Slurm sends it before each SIGTERM, and submitit would report it
    try:
        with listening():  # from now on, instead of submitit
            code = job.make(folder)
    except Preempted as stopped:
        code = job.say(stopped)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # nothing is left to stop; requeuing sends a signal too
    if first and code == Preempted.exit_code:
        requeue()
    sys.exit(code)


def requeue() -> None:
    """Put this job back into the queue, unless Slurm has decided already what becomes of it.

    A job whose time runs out, or that is preempted with a time of grace, is still running when it is told. One that is
    cancelled, or requeued by Slurm itself, is on its way out; and a cancelled one would rise again if it were requeued.
    """
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    this = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    if ask([this]).get(this, Queued("", "", "")).state != "RUNNING":
        return
    log.info("requeued as Slurm job %s", this)
    subprocess.run(["scontrol", "requeue", this], check=False)


def ask(jobs: Iterable[str]) -> dict[str, Queued]:
    """What the queue says of some jobs, in one question; one that ended long ago is not there.

    Raises:
        SeqlabError: it does not answer.
    """
    arrays = ",".join(sorted({array_of(job_id) for job_id in jobs}))
    answer = subprocess.run(
        ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%o", f"--jobs={arrays}"],
        capture_output=True,
        text=True,
    )
    if answer.returncode and "Invalid job id" not in answer.stderr:  # so it says when all of them ended long ago
        raise SeqlabError(f"Slurm does not answer: {' '.join(answer.stderr.split())}")
    return read(answer.stdout)


def read(answer: str) -> dict[str, Queued]:
    """The lines of squeue, by job."""
    rows = (line.split("|", 3) for line in answer.splitlines())
    return {job_id: Queued(*rest) for job_id, *rest in rows}


def is_live(queued: Queued | None, folder: Path | None = None) -> bool:
    """Whether a job is to be waited for, and was submitted from a folder of ours: numbers are given out again."""
    if queued is None or queued.state in ENDED:
        return False
    return folder is None or Path(queued.script).parent == folder


def summed(queued: Iterable[Queued]) -> str:
    """``3 PENDING (Resources), 2 RUNNING``."""
    counts = Counter(one.state if one.reason == "None" else f"{one.state} ({one.reason})" for one in queued)
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())


def array_of(job_id: str) -> str:
    """The array of a job, or the job itself where it was submitted alone: ``12`` of ``12_3`` and of ``12``."""
    return job_id.partition("_")[0]


def _folder(run: Run) -> Path:
    return run.folder.resolve().parent / FOLDER


def _recorded(run: Run) -> str:
    try:
        return (run.folder / RECORD).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _ending(run: Run, job_id: str, queued: Queued | None) -> Ending:
    """What came of a job that has left the queue; what Slurm knows of it is told where the run could not say more."""
    os.listdir(run.folder)  # makes a network file system look again, and not believe what it saw before
    status = run.status
    told = status.summary and (queued is None or queued.state in ("COMPLETED", "FAILED"))
    if told or status.state in ("finished", "running"):
        return Ending(run)
    how = f"ended as {queued.state}" if queued else "is gone from the queue"
    own = run.folder / NAMES["log"]
    log.warning("%s: Slurm job %s %s; see %s", run.id, job_id, how, _folder(run) / f"{job_id}_0_log.out")
    return Ending(run, f"its Slurm job {how}; see {own if own.exists() else own.parents[1] / FOLDER}")
