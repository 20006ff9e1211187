"""What the runs of a pack say, each in its own file."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class LogOfThread(logging.Handler):
    """What each thread has to say goes to the end of a file of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[int, TextIO] = {}

    @contextmanager
    def into(self, path: Path) -> Iterator[None]:
        """What this thread says in the block goes into a file."""
        with path.open("a", encoding="utf-8", buffering=1) as file:
            self.files[threading.get_ident()] = file
            yield
        del self.files[threading.get_ident()]

    def emit(self, record: logging.LogRecord) -> None:
        """Writes it; to standard output where the thread has no file."""
        print(self.format(record), file=self.files.get(threading.get_ident(), sys.stdout))
