"""Files of JSON lines: a run appends to them as it goes, and takes away again what it will say a second time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seqlab import durable

log = logging.getLogger(__name__)


def read(file: Path) -> list[dict[str, Any]]:
    """The lines of a file, without a last one that was cut short; none where there is no file."""
    return [line for _, line in _whole(file)]


def rewind(file: Path, reached: int) -> None:
    """Take away what a run wrote beyond the ``step`` that it goes on from; at 0, where it begins again, all of it."""
    if file.exists():
        kept = [text for text, line in _whole(file) if line["step"] <= reached and reached > 0]
        durable.write(file, "".join(kept))


def append(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write lines to the end of a file; where that is not possible, warn, since no run is stopped by it."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        with file.open("a", encoding="utf-8") as end:
            end.write(text)
    except OSError as error:
        log.warning("%s cannot be written (%s); what it was told at this step is lost.", file, error.strerror)


def _whole(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """The lines that were written to their end, as they are and as they read."""
    found = []
    for text in file.read_text("utf-8").splitlines(keepends=True) if file.exists() else ():
        try:
            found.append((text, json.loads(text)))
        except json.JSONDecodeError:
            continue
    return found
