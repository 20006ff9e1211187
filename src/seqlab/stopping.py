"""A request to stop, from a person or a scheduler, and the moment at which it is heeded.

Ctrl-C and SIGINT are a person's; SIGTERM is a scheduler's, and so are the signals by which Slurm announces that time is
running out (SIGUSR1, SIGUSR2). While a model trains, a request waits for the next point at which everything that has
been done can be kept, which is the next batch; at any other time there is nothing to keep, and it is heeded at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from seqlab.errors import Interrupted, Preempted, SeqlabError

log = logging.getLogger(__name__)
_of_threads: list[Stop] = []
"""Who is told what the main thread hears."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Stop:
    """Whether this process has been asked to stop.

    Attributes:
        asked: the signal that asked for it first; ``None`` while nothing has.
        waits: whether a request is left until somebody calls ``heed``.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.waits = False

    def listen(self) -> None:
        """Take over the signals, also from whoever has taken them since."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._hear)

    def heed(self, what: str = "stopped") -> None:
        """Stop now, if that was asked for.

        Args:
            what: what the person is told was stopped.

        Raises:
            Interrupted: a person asked.
            Preempted: a scheduler asked.
        """
        if self.asked is not None:
            raise self.error(what)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            if number == signal.SIGINT:  # a second time: at once, and without a word; every file is whole at any moment
                os._exit(Interrupted.exit_code)
            return
        self.asked = signal.Signals(number)
        for stop in _of_threads:
            stop.asked = stop.asked or self.asked
        if not self.waits:
            raise self.error("stopped")
        log.info("%s: stopping after this step. A second Ctrl-C stops at once.", self.asked.name)

    def error(self, what: str) -> SeqlabError:
        """What a request to stop ends with."""
        return Interrupted(what) if self.asked == signal.SIGINT else Preempted(what)


@contextmanager
def listening() -> Iterator[Stop]:
    """Listen for requests to stop while the block runs; afterwards the signals do what they did before.

    Only the main thread hears signals. What it is asked while it listens, those who listen in other threads are, too,
    and for them it always waits.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        _of_threads.append(stop)
        try:
            yield stop
        finally:
            _of_threads.remove(stop)
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop.listen()
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
