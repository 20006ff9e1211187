"""What the system tells of this machine's processor."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


@cache
def told() -> dict[str, str]:
    """What Linux has in ``/proc/cpuinfo`` about its first core; elsewhere nothing."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().partition("\n\n")[0].splitlines() if described.exists() else []
    return {fact.strip(): value.strip() for fact, _, value in (line.partition(":") for line in lines)}


def name() -> str:
    """What it is called."""
    return told().get("model name") or f"{platform.machine()} {platform.processor()}".strip()
