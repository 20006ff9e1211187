"""A Ray cluster: each run is a task, on whichever node has room for it.

The task makes the run as a local sweep of one. So the run is a process that Ray knows nothing of: it sees nothing that
an earlier one left in Ray's worker, its memory goes back when it ends, a request to stop reaches a program that
listens, and if it is killed its worker lives on and says so. What Ray itself loses is therefore never a run's own
fault but a node's or a worker's; such a run is begun again elsewhere and goes on from its last checkpoint.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from textwrap import shorten
from typing import Any

from seqlab.engines.base import TICK, Ending, Engine
from seqlab.engines.local import Local, cores
from seqlab.errors import ConfigError
from seqlab.ledger import is_leased
from seqlab.ranges import Range
from seqlab.runs import Run

log = logging.getLogger(__name__)

HEED = 1.0
"""Seconds after which a task looks whether it was cancelled: Ray does not interrupt what waits."""

CARRIED = ("SEQLAB_", "WANDB_", "HF_")
"""How the variables begin that a run takes from whoever started the sweep; all others are its node's own."""

RANGES = {
    "num_cpus": Range(float, 0, optional=True),
    "num_gpus": Range(float, 0, optional=True),
    "max_retries": Range(int, 0, also=(-1,)),
}
"""What the options may be."""

STORE = 100 * 2**20
"""Bytes that a Ray of our own sets aside for objects that tasks pass on. Ours pass on none; it wants some."""


class Ray(Engine):
    """Tasks of a Ray cluster. Its nodes share the folder of the runs and that of the command, and have seqlab.

    Args:
        address: ``"auto"`` for the cluster that this machine is part of, or ``HOST:PORT``; ``None`` for the one that
            RAY_ADDRESS names, or else a Ray of its own on this machine.
        num_cpus: CPUs that a run reserves; ``None`` for one per thread of each of its processes.
        num_gpus: GPUs that a run reserves, which may be a part of one; ``None`` for one per process where the cluster
            has any and the run may use them.
        max_retries: how often a run is begun again because its node or its worker was lost; -1 for no limit.
        remote: anything else that ``ray.remote`` takes, such as ``memory`` or ``resources``.

    Raises:
        ConfigError: Ray is not installed, or an option is none.
    """

    def __init__(
        self,
        address: str | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        max_retries: int = 3,
        remote: Mapping[str, Any] | None = None,
    ):
        if importlib.util.find_spec("ray") is None:
            raise ConfigError(
                "hydra/launcher=ray: Ray is not installed. Install it with: pip install 'seqlab[ray]'; "
                "or take hydra/launcher=local."
            )
        for name, value in (("num_cpus", num_cpus), ("num_gpus", num_gpus), ("max_retries", max_retries)):
            if value not in RANGES[name]:
                raise ConfigError(f"hydra.launcher.{name}: got {value!r}; expected {RANGES[name]}.")
        self.address, self.num_cpus, self.num_gpus, self.max_retries = address, num_cpus, num_gpus, max_retries
        self.remote = dict(remote or {})

    def make(self, runs: Sequence[Run]) -> Iterator[Ending | None]:
        """One task per run, all at once in Ray's queue.

        Raises:
            ConfigError: the cluster cannot be reached, or an option is none that Ray knows.
        """
        ray = self._connected()
        self._warn_of_a_long_wait(ray, runs)
        lost: Counter[str] = Counter()
        live: dict[Future[str], tuple[Any, Run]] = {}  # waited for by Python's means: Ray's own break on our signals
        try:
            for run in runs:
                task = self._begun(ray, run)
                live[task.future()] = task, run
            while live:
                ended, _ = wait(live, timeout=TICK, return_when=FIRST_COMPLETED)
                if not ended:
                    yield None
                for future in ended:
                    _, run = live.pop(future)
                    death = _death(ray, future)
                    if death is not None:
                        yield Ending(run, death)
                    elif lost[run.id] == self.max_retries:
                        yield Ending(run, f"lost with its node or worker, {lost[run.id] + 1} times")
                    else:
                        lost[run.id] += 1
                        log.info("%s: lost with its node or worker; begun again elsewhere", run.id)
                        task = self._begun(ray, run, again=True)
                        live[task.future()] = task, run
        finally:
            for task, _ in live.values():
                ray.cancel(task)
            wait(live)

    def _connected(self) -> Any:
        """Ray, which from now on stays connected until this process ends."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        own: dict[str, Any] = {}
        if address == "local":
            own = {"num_cpus": cores(), "object_store_memory": STORE, "include_dashboard": False}
            if "RAY_AUTH_MODE" not in os.environ:  # closed to others on this machine, without a file in the home folder
                os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        else:
            os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # Ray would try for a quarter of an hour
        import ray

        if not ray.is_initialized():
            heard, path = signal.getsignal(signal.SIGTERM), _python_path()
            try:
                _check_that_somebody_listens(address)
                ray.init(
                    address=address,
                    runtime_env={"env_vars": {"PYTHONPATH": path} if path else {}},
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **own,
                )
            except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                raise ConfigError(
                    f"hydra.launcher.address={address}: no Ray cluster can be used there ({_line(error)}). "
                    "Start one with 'ray start --head', or leave it null for a Ray of its own."
                ) from error
            signal.signal(signal.SIGTERM, heard)  # which Ray has taken over
            ray._private.worker._worker_logs_enabled = False  # pages about a node that died; there is no public switch
        return ray

    def _begun(self, ray: Any, run: Run, again: bool = False) -> Any:
        """The task that makes a run."""
        options = {**self._needs(ray, run), **self.remote, "name": run.id, "max_retries": 0}  # we know better, above
        environment = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
        try:
            return ray.remote(**options)(_make).remote(run.folder.resolve(), Path.cwd(), environment, again)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher: Ray refuses an option ({_line(error)}).") from error

    def _needs(self, ray: Any, run: Run) -> dict[str, float]:
        """What a run reserves."""
        usable = run.config["trainer"]["accelerator"] != "cpu" and ray.cluster_resources().get("GPU", 0) > 0
        cpus, gpus = run.config["threads"] * run.processes, run.processes if usable else 0
        return {
            "num_cpus": cpus if self.num_cpus is None else self.num_cpus,
            "num_gpus": gpus if self.num_gpus is None else self.num_gpus,
        }

    def _warn_of_a_long_wait(self, ray: Any, runs: Sequence[Run]) -> None:
        """Say so if no node is big enough now; a cluster that grows may have one later."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        for cpus, gpus in {tuple(self._needs(ray, run).values()) for run in runs}:
            if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
                log.warning(
                    "No node of the Ray cluster has the %g CPUs and %g GPUs that a run reserves; it waits for one that "
                    "has. hydra.launcher.num_cpus and hydra.launcher.num_gpus say what is reserved.",
                    cpus,
                    gpus,
                )


def _check_that_somebody_listens(address: str) -> None:
    """Find out at once what Ray takes minutes for."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _python_path() -> str:
    """What the person has added to where Python looks for modules, as it is to be read from another folder."""
    return os.pathsep.join(os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)


def _make(folder: Path, place: Path, environment: Mapping[str, str], again: bool) -> str:
    """One run, on whichever node this is: what is known of its death, if anything.

    Args:
        folder: the run folder.
        place: the folder in which the command was given.
        environment: variables that the run has from there.
        again: whether it was begun before and lost; then its process may still be at work and about to let go.
    """
    for needed in (folder, place):
        if not needed.is_dir():
            return f"{needed} is not there on {socket.gethostname()}; the nodes must share it"
    os.chdir(place)
    os.environ.update(environment)
    while again and is_leased(folder):
        time.sleep(HEED)
    endings = Local(workers=1, tick=HEED).make([Run.load(folder)])
    return next(ending.death for ending in endings if ending)


def _death(ray: Any, future: Future[str]) -> str | None:
    """What Ray knows of the end of a run, empty where there is nothing to tell; ``None`` if the run was lost."""
    errors = ray.exceptions
    try:
        return future.result()
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.LocalRayletDiedError):
        return None
    except errors.OutOfMemoryError:
        return "Ray killed it, because its node ran out of memory; a higher num_cpus lets fewer run at once"
    except errors.RayError as error:
        return f"its node could not make it; is the same seqlab installed there? ({_line(error)})"


def _line(error: BaseException) -> str:
    """An error of Ray's, without the pages that follow."""
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {shorten(str(cause), 200, placeholder=' ...')}"
