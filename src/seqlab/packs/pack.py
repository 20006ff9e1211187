"""Runs in threads, of which one works at a time.

At a stride each waits until all others have come to one, or have ended; then those of a kind make it together.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from seqlab import strides
from seqlab.packs.models import NotStackable
from seqlab.packs.stack import Stack, kind, together
from seqlab.strides import StridingLoop

log = logging.getLogger(__name__)


@dataclass
class _Wish:
    """A stride that a run waits for."""

    loop: StridingLoop
    ahead: int
    granted: bool = False


class Pack:
    """Several runs in one process."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.working = 0
        self.wishes: list[_Wish] = []
        self.tried: dict[Hashable, set[bool]] = defaultdict(set)
        self.apart: set[Hashable] = set()

    def make(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Do all jobs, which stride by ``stride``, and return when the last one has ended. They raise nothing."""
        self.working = len(jobs)
        threads = [threading.Thread(target=self._work, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stride(self, loop: StridingLoop, ahead: int) -> None:
        """A stride, together with all others."""
        wish = _Wish(loop, ahead)
        self.wishes.append(wish)
        self._grant()
        self.turn.wait_for(lambda: wish.granted)
        if loop.error:
            raise loop.error

    def _work(self, job: Callable[[], None]) -> None:
        with self.turn:
            try:
                job()
            finally:
                self.working -= 1
                self._grant()

    def _grant(self) -> None:
        """Where nobody works any more, but all wait, make the strides that they wait for."""
        if len(self.wishes) < self.working:
            return
        wishes, self.wishes = self.wishes, []
        alike: dict[Hashable, list[_Wish]] = defaultdict(list)
        for wish in wishes:
            alike[kind(wish.loop)].append(wish)
        for of_kind, own in alike.items():
            self._stride(of_kind, own)
        for wish in wishes:
            wish.granted = True
        self.turn.notify_all()

    def _stride(self, of_kind: Hashable, wishes: Sequence[_Wish]) -> None:
        """Strides of one kind: together, as long as that is possible."""
        loops, ahead = [wish.loop for wish in wishes], min(wish.ahead for wish in wishes)
        if len(loops) > 1 and of_kind not in self.apart:
            try:
                if not together(Stack(loops), ahead, self.tried[of_kind]):
                    self._part(of_kind, loops, "gradients come out otherwise")
                return
            except NotStackable as error:
                self._part(of_kind, loops, str(error))
            except Exception as error:
                for loop in loops:
                    loop.error = loop.error or error
                return
        for wish in wishes:
            try:
                strides.alone(wish.loop, wish.ahead, len(loops))
            except Exception as error:
                wish.loop.error = error

    def _part(self, of_kind: Hashable, loops: Sequence[StridingLoop], why: str) -> None:
        """From now on strides of this kind are not made together."""
        self.apart.add(of_kind)
        log.warning("%d runs of a pack are computed one after the other: %s.", len(loops), why)
