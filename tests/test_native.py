"""C that is compiled on the machine where it runs: once, whole, and for the machine that it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab import native, processor
from seqlab.native import Unavailable

COMPILER = next((found for name in native.COMPILERS if (found := shutil.which(name))), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(native, "user_cache_path", lambda *_, **__: folder)
    return folder


def source(folder: Path, says: int) -> Path:
    file = folder / "answer.c"
    file.write_text(f"int answer(void) {{ return {says}; }}\n")
    return file


def compiler_that(folder: Path, does: str) -> str:
    """A compiler that leaves a mark at each call and then does something."""
    script = folder / "mycc"
    script.write_text(f'#!/bin/sh\necho call >> "{folder}/calls"\n{does}\n')
    script.chmod(0o755)
    return str(script)


@needs_compiler
def test_it_is_compiled_once_and_again_when_it_has_changed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second load compiles nothing; another source is another library."""
    monkeypatch.setenv("CC", compiler_that(tmp_path, f'exec {COMPILER} "$@"'))
    for says, calls in ((42, 1), (42, 1), (43, 2)):
        assert native.load(source(tmp_path, says)).answer() == says
        assert (tmp_path / "calls").read_text().count("call") == calls
    assert len(list(cache.glob("*.so"))) == 2


@needs_compiler
def test_what_a_file_includes_is_part_of_it(tmp_path: Path, cache: Path) -> None:
    """Another header is another library, also where a header includes it."""
    (tmp_path / "answer.c").write_text('#include "parts/outer.h"\nint answer(void) { return ANSWER; }\n')
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "outer.h").write_text('#include "inner.h"\n')
    for says in (1, 2):
        (tmp_path / "parts" / "inner.h").write_text(f"#define ANSWER {says}\n")
        assert native.load(tmp_path / "answer.c").answer() == says


@needs_compiler
def test_a_machine_with_another_processor_compiles_its_own(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home folder may be shared by nodes that do not have the same instructions."""
    native.load(source(tmp_path, 1))
    monkeypatch.setattr(processor, "name", lambda: "another one")
    native.load(source(tmp_path, 1))
    assert len(list(cache.glob("*.so"))) == 2


@needs_compiler
def test_a_compiler_that_does_not_know_this_processor_compiles_for_any(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flags that it refuses are left out."""
    picky = f'case "$*" in *native*) exit 1;; esac\nexec {COMPILER} "$@"'
    monkeypatch.setenv("CC", compiler_that(tmp_path, picky))
    assert native.load(source(tmp_path, 7)).answer() == 7


@pytest.mark.parametrize(("does", "why"), [("echo no such thing >&2; exit 1", "no such thing"), ("exit 3", "code 3")])
def test_a_compiler_that_fails_says_why(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, does: str, why: str
) -> None:
    """Its first line, or its exit code; and nothing is kept."""
    monkeypatch.setenv("CC", compiler_that(tmp_path, does))
    with pytest.raises(Unavailable, match=why):
        native.load(source(tmp_path, 1))
    assert not list(cache.glob("*.so"))


def test_without_a_compiler_there_is_no_library(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and what would be looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(Unavailable, match="no C compiler is installed"):
        native.load(source(tmp_path, 1))


@needs_compiler
def test_where_nothing_can_be_kept_there_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder that cannot be written to stops no run."""

    def refused(*_: object, **__: object) -> Path:
        raise PermissionError(13, "Permission denied", "/home/me/.cache")

    monkeypatch.setattr(native, "user_cache_path", refused)
    with pytest.raises(Unavailable, match="Permission denied"):
        native.load(source(tmp_path, 1))


def test_what_is_unavailable_is_tried_once_and_said_each_time() -> None:
    """A compiler that fails is not asked again at each step; what was made is made once, for each argument."""
    asked: list[int] = []

    @native.once
    def made(number: int) -> str:
        asked.append(number)
        if number:
            raise Unavailable(f"no {number}")
        return "here"

    for _ in range(2):
        assert made(0) == "here"
        with pytest.raises(Unavailable, match="no 1"):
            made(1)
    assert asked == [0, 1]


@needs_compiler
def test_processes_that_want_it_at_once_all_get_it(tmp_path: Path) -> None:
    """A sweep on a new machine: one compiles, the others wait."""
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "CC": compiler_that(tmp_path, f'exec {COMPILER} "$@"'),
    }
    code = "from seqlab.cells.bptt import native; native.native_scans()"
    started = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert (tmp_path / "calls").read_text().count("call") == 1
