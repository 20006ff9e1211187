"""``metrics.csv``: the numbers of a run, in its folder, whatever else is told of it."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from seqlab import durable
from seqlab.errors import SeqlabError

log = logging.getLogger(__name__)


class MetricsFile(Logger):
    """``metrics.csv``: a row for each time that something is logged, appended at once; a new name adds a column.

    Args:
        file: where it lies.
        reached: the step that the run goes on from; rows from there on, which an earlier try wrote, are made again.

    Attributes:
        before: the rows that an earlier try wrote and that are not made again.
        told: how many rows an earlier try wrote.
    """

    name, version = "", ""

    def __init__(self, file: Path, reached: int = 0):
        super().__init__()
        self.file = file
        self.columns: list[str] = []
        self.waiting: list[dict[str, Any]] = []
        written = [row for row in _rows(file) if row["step"].isdigit()]
        kept = [row for row in written if int(row["step"]) < reached]
        self.before = [_numbers(row) for row in kept]
        self.told = len(written)
        used = [name for name in (kept[0] if kept else ()) if any(row[name] for row in kept)]
        self._rewrite(kept, used or ["epoch", "step"])

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.file.parent)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: ``config.yaml`` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row; where that is not possible, it is kept and tried again with the next."""
        self.waiting.append({"step": step, **metrics})
        try:
            self._write()
        except OSError as error:
            if len(self.waiting) == 1:
                log.warning("%s cannot be written (%s); its rows wait in memory.", self.file, error.strerror)

    def settle(self) -> None:
        """Write what still waits, or give up.

        Raises:
            SeqlabError: it cannot be written now either.
        """
        try:
            self._write()
        except OSError as error:
            raise SeqlabError(
                f"{self.file}: {len(self.waiting)} rows cannot be written ({error.strerror}). Make room, and the same "
                "command makes them again from the last checkpoint."
            ) from None

    def _write(self) -> None:
        new = dict.fromkeys(name for row in self.waiting for name in row if name not in self.columns)
        if new:
            self._rewrite(_rows(self.file), [*self.columns, *new])
        with self.file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerows(self.waiting)
        self.waiting.clear()

    def _rewrite(self, rows: list[dict[str, str]], columns: list[str]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        durable.write(self.file, text.getvalue())
        self.columns = columns


def _rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; without a last one that was cut short, none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if None not in row.values()]


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    return {name: int(text) if text.isdigit() else float(text) for name, text in row.items() if text}
