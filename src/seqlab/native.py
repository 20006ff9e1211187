"""C that is compiled once on the machine where it runs, kept, and loaded; what cannot be compiled is done without.

A library is kept in the user's cache folder under a name that says for which source, compiler, flags and processor it
was made, so that machines with one home folder do not run each other's instructions.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock
from platformdirs import user_cache_path

from seqlab import processor

log = logging.getLogger(__name__)

R = TypeVar("R")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c11", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
TUNED = (("-march=native", "-mprefer-vector-width=512"), ("-march=native",), ("-mcpu=native",), ())
"""Ways to ask for this processor's own instructions; the first that the compiler takes."""

ABILITIES = ("flags", "CPU part", "Features")
"""What a processor tells of its instructions."""


class Unavailable(Exception):
    """There is no library; the message says why."""


def once(make: Callable[..., R]) -> Callable[..., R]:
    """What is made once, or of which it is found out once that it is unavailable."""

    @cache
    def tried(*args: Any) -> R | Unavailable:
        try:
            return make(*args)
        except Unavailable as error:
            return error

    @wraps(make)
    def made(*args: Any) -> R:
        found = tried(*args)
        if isinstance(found, Unavailable):
            raise Unavailable(str(found))
        return found

    return made


def load(source: Path) -> ctypes.CDLL:
    """The library of a C file, compiled if it is not yet kept.

    Raises:
        Unavailable: there is no compiler, it failed, or its library cannot be kept or loaded.
    """
    compiler = _compiler()
    name = f"{source.stem}-{_digest(_text(source), compiler)}.so"
    try:
        library = user_cache_path("seqlab", ensure_exists=True) / name
        if not library.exists():
            with FileLock(library.with_suffix(".lock")):
                if not library.exists():  # nobody else has made it meanwhile
                    _compile(source, compiler, library)
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise Unavailable(f"its library cannot be kept or loaded ({error})") from error


def _compiler() -> Path:
    """The C compiler that ``CC`` names, or the first that is there."""
    for name in (os.environ.get("CC"), *COMPILERS):
        found = shutil.which(name) if name else None
        if found:
            return Path(found).resolve()
    raise Unavailable("no C compiler is installed (cc, gcc or clang)")


def _compile(source: Path, compiler: Path, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder, library.name)
        for tuned in TUNED:
            command = [str(compiler), *FLAGS, *tuned, "-o", str(made), str(source)]
            ended = subprocess.run(command, capture_output=True, text=True)
            if ended.returncode == 0:
                os.replace(made, library)
                log.info("Compiled %s for this machine, once: %s", source.name, library)
                return
    said = ended.stderr.strip().splitlines()
    raise Unavailable(f"{compiler} failed: {said[0] if said else f'exit code {ended.returncode}'}")


def _text(source: Path) -> bytes:
    """A C file, and behind it those that it includes from our own folders."""
    text = source.read_bytes()
    included = re.findall(rb'^#include "(.+)"', text, re.MULTILINE)
    return b"".join([text, *(_text(source.parent / os.fsdecode(name)) for name in included)])


def _digest(source: bytes, compiler: Path) -> str:
    facts = compiler.stat()
    can = processor.name(), [processor.told().get(fact) for fact in ABILITIES]
    about = (str(compiler), facts.st_size, facts.st_mtime_ns, FLAGS, TUNED, can)
    return hashlib.sha256(source + repr(about).encode()).hexdigest()[:16]
