"""Everything that seqlab tells a person went wrong.

::

    SeqlabError             exit 1   something of ours went wrong, and we can say what
    ├── InputError          exit 2   the person can mend it; nothing was started
    │   ├── ConfigError              a key, a value, an option or a plug-in
    │   ├── DataError                a file, a row, a column, a size
    │   └── OutputError              a folder that cannot be written
    ├── Diverged            exit 3   a loss that is not finite
    ├── Busy                exit 1   another process is making the same run
    ├── Interrupted         exit 130 a person stopped it; the same command goes on
    ├── Preempted           exit 143 a scheduler stopped it; the same command goes on
    └── SweepFailed         exit 1   some jobs of a sweep did not finish

Each message is one line: what, got, expected, what to do next, with the config key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeqlabError(Exception):
    """The root: a failure that seqlab can explain in one line."""

    exit_code = 1


class InputError(SeqlabError):
    """The command, the configuration or the data cannot be used as they are."""

    exit_code = 2


class ConfigError(InputError):
    """A key, a value, an option or a plug-in."""


class DataError(InputError):
    """A file, a row, a column or a size of the data."""


class OutputError(InputError):
    """The place where results should go cannot be written."""


class Diverged(SeqlabError):
    """A loss that is not a finite number."""

    exit_code = 3


class Busy(SeqlabError):
    """Another process holds the run."""


class Interrupted(SeqlabError):
    """A person stopped the run (SIGINT); the same command goes on from its last checkpoint."""

    exit_code = 130


class Preempted(SeqlabError):
    """A scheduler stopped the run (SIGTERM, or the signal that a time limit announces itself by)."""

    exit_code = 143


class SweepFailed(SeqlabError):
    """At least one job of a sweep did not finish; the message lists each with its cause."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


def by_exit_code(code: int) -> type[SeqlabError]:
    """The kind of error that a process which ended with a code has told of."""
    kinds = (InputError, Diverged, Interrupted, Preempted)
    return next((kind for kind in kinds if kind.exit_code == code), SeqlabError)


def suggestion(word: str, known: Iterable[str]) -> str:
    """``" Did you mean lstm?"``, or nothing where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.55)
    return f" Did you mean {close[0]}?" if close else ""
