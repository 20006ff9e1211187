"""The several processes that make one run together, each with a device of its own and a share of every batch.

Plain Lightning starts the others by running the command line again, which inside a sweep is another sweep. Here each is
started to make what the run folder holds, by torchrun on one machine or by Slurm on several. The first of them holds
the run, writes its files and tells its trackers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TypeVar

from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from torch import distributed

from seqlab.errors import ConfigError, Interrupted, Preempted
from seqlab.ledger import NAMES
from seqlab.runs import Run

T = TypeVar("T")
OF_A_GROUP = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells its processes, and a process outside a group must not believe."""


def rank() -> int | None:
    """The number of this process among those that make one run; ``None`` if it makes it alone."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        return int(os.environ["RANK"])
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return int(os.environ["SLURM_PROCID"])
    return None


def leads() -> bool:
    """Whether this process holds the run and writes its files."""
    return rank() in (None, 0)


def of_all(mine: T) -> list[T]:
    """What each process has, by its number; all must ask at once."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [mine]
    theirs = [mine] * distributed.get_world_size()
    distributed.all_gather_object(theirs, mine)
    return theirs


def environment() -> ClusterEnvironment:
    """How Lightning learns who is in the group; said plainly, so that it does not guess from what else is set."""
    if rank() is None:
        return LightningEnvironment()
    return TorchElasticEnvironment() if "TORCHELASTIC_RUN_ID" in os.environ else SLURMEnvironment(auto_requeue=False)


def make_together(run: Run) -> None:
    """Make a prepared run by as many processes on this machine as it asks for; what came of it is in its folder.

    Raises:
        ConfigError: it asks for several nodes, which only Slurm can start.
        Interrupted, Preempted: it was asked to stop, and its processes have.
    """
    if run.config["trainer"]["num_nodes"] > 1:
        raise ConfigError(
            f"trainer.num_nodes={run.config['trainer']['num_nodes']}: several nodes are started by Slurm. "
            "Add -m hydra/launcher=slurm, or take trainer.num_nodes=1."
        )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={run.processes}"]
    others = {name: value for name, value in os.environ.items() if name not in OF_A_GROUP}
    with (run.folder / NAMES["log"]).open("a", encoding="utf-8") as output:
        group = subprocess.Popen(
            [*command, "-m", "seqlab", "resume", str(run.folder)],
            env={**others, "OMP_NUM_THREADS": str(run.config["threads"])},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
        try:
            group.wait()
        except (Interrupted, Preempted):
            group.send_signal(signal.SIGTERM)
            group.wait()
            raise


def check_share(run: Run) -> None:
    """Refuse a batch that the processes cannot share equally.

    Raises:
        ConfigError: the batch size is no multiple of the number of processes.
    """
    batch_size = run.config["data"].get("batch_size", 0)
    if batch_size % run.processes:
        raise ConfigError(
            f"data.batch_size={batch_size}: cannot be shared equally by {run.processes} processes "
            f"(trainer.devices × trainer.num_nodes). Take a multiple of {run.processes}."
        )
