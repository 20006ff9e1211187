"""Three ways in for a plug-in of one class and one YAML, and no list of ours to edit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TINY, Command
from seqlab import plugins
from seqlab.ledger import find

CELL = '''
from torch import nn


class Forgetful(nn.RNN):
    """Forgets as fast as it can."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size, batch_first=True)
'''
ABOUT = "# seqlab train cell=forgetful\n# A cell of somebody else's\n\n"


def yaml_for(module: str) -> str:
    return f"{ABOUT}_target_: {module}.Forgetful\n_partial_: true\nhidden_size: 8\n"


def test_two_files_in_a_clone(tmp_path: Path) -> None:
    """src/seqlab/cells/forgetful.py and conf/cell/forgetful.yaml, and it runs."""
    clone = tmp_path / "clone"
    root = plugins.conf_dir().parent
    shutil.copytree(root / "conf", clone / "conf")
    shutil.copytree(root / "src", clone / "src")
    (clone / "src/seqlab/cells/forgetful.py").write_text(CELL)
    (clone / "conf/cell/forgetful.yaml").write_text(yaml_for("seqlab.cells.forgetful"))
    command = [sys.executable, "-m", "seqlab", "train", "cell=forgetful", "logger=none", *TINY]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(clone / "src"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert find([tmp_path / "runs"])[0].name.startswith("adding-forgetful-")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder anywhere with a class and a YAML."""
    mine = tmp_path / "mine"
    (mine / "cell").mkdir(parents=True)
    (mine / "forgetful_cell.py").write_text(CELL)
    (mine / "cell" / "forgetful.yaml").write_text(yaml_for("forgetful_cell"))
    return mine


def test_a_folder_anywhere(seqlab: Command, folder: Path, tmp_path: Path) -> None:
    """--config-dir is enough: to list, to run, and to run in a sweep with ours, each in a process of its own."""
    listed = seqlab("list", "cell", "--config-dir", str(folder)).out
    assert "forgetful (from mine)  A cell of somebody else's" in listed
    answer = seqlab("train", "-m", "--config-dir", str(folder), "cell=forgetful,gru", "logger=none", *TINY)
    assert answer.code == 0, answer.err
    theirs, ours = find([tmp_path / "runs"])
    assert [found.name.split("-")[1] for found in (theirs, ours)] == ["forgetful", "gru"]
    forked = seqlab("resume", str(theirs), "--fork", "trainer.max_epochs=2")
    assert forked.code == 0, forked.err


def test_an_option_that_two_offer_is_a_conflict(seqlab: Command, folder: Path) -> None:
    """Ours is never silently taken for theirs, nor theirs for ours."""
    (folder / "cell" / "forgetful.yaml").rename(folder / "cell" / "gru.yaml")
    answer = seqlab("train", "--config-dir", str(folder), "cell=gru")
    assert answer.code == 2
    assert "cell=gru is offered by seqlab and by mine. Rename one of the two files." in answer.err


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with one entry point, as pip leaves it."""
    site = tmp_path / "site"
    (site / "my_lab" / "conf" / "cell").mkdir(parents=True)
    (site / "my_lab" / "__init__.py").write_text("")
    (site / "my_lab" / "cells.py").write_text(CELL)
    (site / "my_lab" / "conf" / "cell" / "forgetful.yaml").write_text(yaml_for("my_lab.cells"))
    info = site / "my_lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seqlab.configs]\nmy_lab = my_lab.conf\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seqlab", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_an_installed_package(package: Path, tmp_path: Path) -> None:
    """Its options are listed, completed, suggested, and run in the same sweep as ours."""
    assert "forgetful (from my_lab)  A cell of somebody else's" in command("list", cwd=tmp_path).stdout
    assert "cell: attention, forgetful, gru" in command("train", "--help", cwd=tmp_path).stdout
    assert "forgetful (from my_lab)" in command("train", "cell=nope", cwd=tmp_path).stderr
    wrong = command("train", "cell=forgetfull", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "Did you mean forgetful? Available: attention, forgetful (from my_lab), gru" in wrong.stderr
    swept = command("train", "-m", "cell=forgetful,vanilla", "logger=none", *TINY, cwd=tmp_path)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert [found.name.split("-")[1] for found in find([tmp_path / "runs"])] == ["forgetful", "vanilla"]
    completed = subprocess.run(
        [sys.executable, "-m", "seqlab", "-sc", "query=bash"],
        env={"PYTHONPATH": str(package), "COMP_LINE": "seqlab train cell=f", "COMP_POINT": "19", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cell=forgetful" in completed.stdout


def test_a_broken_plugin_is_named_and_harms_nothing_else(package: Path, tmp_path: Path) -> None:
    """Its package fails to import: others run, and choosing it says whose fault it is."""
    (package / "my_lab" / "cells.py").write_text("import a_module_that_is_not_there\n")
    (package / "my_lab" / "__init__.py").write_text("raise RuntimeError('broken on arrival')\n")
    assert command("list", cwd=tmp_path).returncode == 0
    assert command("train", "cell=gru", "logger=none", *TINY, cwd=tmp_path).returncode == 0
    wrong = command("train", "cell=forgetful", cwd=tmp_path)
    assert wrong.returncode == 2
    assert (
        "cell=forgetful: its class my_lab.cells.Forgetful cannot be used: 'my_lab.cells' has no 'Forgetful'"
        in wrong.stderr
    )
    (package / "my_lab" / "cells.py").write_text(CELL)
    wrong = command("train", "cell=forgetful", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "cell=forgetful" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_an_entry_point_to_nowhere_is_left_out_with_a_warning(package: Path, tmp_path: Path) -> None:
    """The name of the plug-in is said, and everything else works."""
    shutil.rmtree(package / "my_lab")
    listed = command("list", "cell", cwd=tmp_path)
    assert listed.returncode == 0
    assert "plug-in my_lab: its config folder my_lab.conf does not exist" in listed.stderr
    assert "vanilla" in listed.stdout
