"""A home of its own for every test: no network, no account, nothing left behind."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.plugins.config_source import ConfigResult

from fake_wandb import KEY, FakeWandb


class Answer(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]

TINY = (
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
    "trainer.limit_val_batches=2",
    "trainer.limit_test_batches=2",
    "cell.hidden_size=8",
)
"""A run of a moment."""

WILD = (
    "trainer=cpu",
    "optimizer=sgd",
    "optimizer.lr=1e30",
    "trainer.gradient_clip_val=null",
    "cell=vanilla",
    "cell.nonlinearity=relu",
)
"""A run that diverges at once."""


@pytest.fixture(autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("WANDB_API_KEY", "WANDB_MODE", "HYDRA_FULL_ERROR"):
        monkeypatch.delenv(key, raising=False)
    home = tmp_path_factory.mktemp("home")
    for key in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(key, str(home))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _yaml_once() -> Iterator[None]:
    """Each YAML as it is now is parsed once for all commands, of which each reads the same hundred three times over."""

    def load_config(self: FileConfigSource, config_path: str) -> ConfigResult:
        file = Path(self.path, self._normalize_file_name(config_path))
        state = file.stat() if file.exists() else None
        key = self.provider, file, state and (state.st_ino, state.st_mtime_ns, state.st_size)
        if key not in parsed:
            parsed[key] = parse(self, config_path)
        return copy.deepcopy(parsed[key])

    parse, parsed = FileConfigSource.load_config, dict[object, ConfigResult]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileConfigSource, "load_config", load_config)
        yield


@pytest.fixture(scope="session", autouse=True)
def _data_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    import datasets

    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("datasets")


@pytest.fixture
def seqlab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command, run here and now in an empty folder."""
    from seqlab.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["seqlab", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Answer(code, *capfd.readouterr())

    return run


@pytest.fixture
def train(seqlab: Command) -> Command:
    """A tiny run with no tracker."""

    def run(*arguments: str, tiny: Sequence[str] = TINY) -> Answer:
        return seqlab("train", "logger=none", *tiny, *arguments)

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeWandb]:
    """A server, and an account at it; at the end it has been asked nothing that it does not know."""
    import wandb

    fake = FakeWandb()
    monkeypatch.setenv("WANDB_BASE_URL", fake.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("WANDB_DATA_DIR", "")  # as where nobody has set it
    monkeypatch.delenv("WANDB_DATA_DIR")
    wandb.teardown()  # it reads its settings once per process
    yield fake
    wandb.teardown()
    fake.close()
    assert fake.unknown == []


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a C compiler."""
    from seqlab.cells import bptt
    from seqlab.cells.gated import native
    from seqlab.native import Unavailable

    def refused(*_: object) -> NoReturn:
        raise Unavailable("no C compiler is installed")

    for module in (bptt.native, native):
        monkeypatch.setattr(module, "native_scans", refused)
