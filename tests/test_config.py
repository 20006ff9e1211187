"""A wrong command gets one line that says what, got, expected and what to do; exit code 2; and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import initialize_config_dir

from conftest import TINY, Command
from seqlab import plugins
from seqlab.config import Origin, _loaded, composed, freeze, without_hydra

WRONG = [
    (
        ["cell=lstmm"],
        "cell=lstmm: no such cell. Did you mean lstm? Available: attention, gru, gru_native, hmm, irnn, lstm, ",
    ),
    (["data=ading"], "data=ading: no such data set. Did you mean adding? Available: adding, "),
    (
        ["experiment=hochreiter1997/6aa"],
        "experiment=hochreiter1997/6aa: no such experiment. Did you mean hochreiter1997/6a? Available: adding_search, "
        "adding_sweep, arjovsky2016/…, bai2018/…, char_rnn, ",
    ),
    (["experiment=6a"], "experiment=6a: no such experiment. Did you mean hochreiter1997/6a?"),
    (["experiment=hochreiter1997"], "tallec2018/…. All of them: seqlab list experiment."),
    (["-m", "cell=lstm,null"], "cell=null: not the name of an option."),
    (["cell=null"], "cell=null: not the name of an option. Available: attention, gru, gru_native, hmm, irnn, lstm, "),
    (
        ["~cell.bias", "callbacks=null"],
        "callbacks=null: not the name of an option. Available: default, early_stopping, ",
    ),
    (
        ["logger=3"],
        "logger=3: not the name of an option. Available: csv, mlflow, none, tensorboard, wandb. ~logger turns ",
    ),
    (["cell.hiden_size=3"], "cell.hiden_size: no such key. Did you mean cell.hidden_size?"),
    (["cell.hiden.size=3"], "cell.hiden: no such key. Did you mean cell.hidden_size?"),
    (["cell.hidden_size.x=3"], "cell.hidden_size.x: no such key."),
    (["~cell.hiden_size"], "cell.hiden_size: no such key. Did you mean cell.hidden_size?"),
    (["~celll.x"], "celll: no such key. Did you mean cell?"),
    (["+cell.hidden_size=3"], "+cell.hidden_size: there is such a key already. Leave the + away."),
    (["cel=gru"], "cel: no such key. Did you mean cell?"),
    (["+celll.x=1"], "celll: no such key. Did you mean cell?"),
    (["+foo=1"], "foo: no such key. Available: data, cell,"),
    (["cell.hidden_size=abc"], "cell.hidden_size: 'abc' is text; expected an integer, such as 64."),
    (["cell.hidden_size=2.5"], "cell.hidden_size: 2.5 is a number; expected an integer, such as 64."),
    (["cell.hidden_size=-4"], "cell.hidden_size: got -4; expected an integer of at least 1 and below 1,000,000."),
    (["cell.hidden_size=null"], "cell.hidden_size: got None; expected an integer"),
    (["optimizer.lr=abc"], "optimizer.lr: 'abc' is text; expected a number, such as 0.003."),
    (["optimizer.lr=0"], "optimizer.lr: got 0; expected a number above 0."),
    (["trainer.max_epochs=0"], "trainer.max_epochs: got 0; expected an integer of at least 1, or -1."),
    (["trainer.precision=bogus"], "trainer=auto: "),
    (["trainer.limit_train_batches=abc"], "trainer=auto: "),
    (["data=text", "data.vocabulary_size=0"], "data.vocabulary_size: got 0; expected an integer of at least 1."),
    (["cell.dropout=1.0"], "cell.dropout: got 1.0; expected a number of at least 0 and below 1."),
    (["cell.bias=maybe"], "cell.bias: 'maybe' is text; expected true or false, such as true."),
    (["trainer.max_epochs=ten"], "trainer.max_epochs: got 'ten'; expected an integer of at least 1, or -1."),
    (["trainer.max_epochz=1"], "trainer.max_epochz: no such key. Did you mean trainer.max_epochs?"),
    (["seed=1,2"], "seed=1,2: several values make a sweep. Add -m, or put the list in brackets."),
    (["cell.hidden_size=[1"], "cell.hidden_size=[1: not of the form key=value"),
    (["cell.hidden_size=${nope}"], "nope"),
    (["-m", "cell=lstmm,rnn"], "cell=lstmm: no such cell. Did you mean lstm?"),
    (["-m", "cell.hidden_size=8,-1"], "cell.hidden_size: got -1; expected an integer"),
    (["+cell.foo=1"], "cell=lstm: RNNBase.__init__() got an unexpected keyword argument 'foo'"),
    (["cell._target_=seqlab.cells.lstm.lstn"], "cell=lstm: its class seqlab.cells.lstm.lstn cannot be used: "),
    (["cell._target_=seqlab.cells.lstm.lstn"], "'seqlab.cells.lstm' has no 'lstn'. Did you mean lstm?"),
    (["cell._target_=torch.nn.LTSM"], "cell=lstm: Error loading 'torch.nn.LTSM'"),
    (["cell._target_=nowhere.Cell"], "cell=lstm: its class nowhere.Cell cannot be used: there is no module 'nowhere'"),
    (["trainer=gpu"], "trainer.accelerator=gpu: there is no GPU that this PyTorch can use. Take trainer=cpu"),
    (["model=encoder_decoder"], "model EncoderDecoder writes tokens after it has read; the data asks for none."),
    (
        ["data=parity", "task=translate"],
        "model EncoderDecoder writes tokens after it has read; the data asks for none.",
    ),
    (["data=translation", "task=classify"], "model SequenceModel answers while it reads; the data asks for a sequence"),
    (["data=translation", "model=sequence"], "Leave task and model to the data set."),
    (["task=language_model"], "task LanguageModel predicts tokens (every); the data asks for real numbers (last)."),
    (["model.embedding_size=8"], "model.embedding_size=8: the inputs are real-valued; only tokens are embedded."),
    (
        ["data=text", "cell=hmm", "model.embedding_size=8"],
        "model.embedding_size: no such key. Available in model: training",
    ),
    (["data=text", "cell=hmm", "model.training=me"], "model=hmm: training must be em or gradient, got 'me'"),
    (["data=text", "model=hmm"], "model=hmm reads out cell=hmm alone, got LSTM."),
    (["cell.chrono=long"], "cell.chrono: got 'long'; expected a number of at least 2."),
    (
        ["cell=lstm_1997", "cell.hidden_size=2", "cell.input_gate_bias=[a,b]"],
        "cell=lstm_1997: input_gate_bias=['a', 'b']: expected one number for each of 2 blocks",
    ),
    (["data=long_lag", "data.distractors=x"], "data.distractors: got 'x'; expected an integer of at least 1."),
    (["data=images", "data.folder=2024"], "data.folder=2024: no such folder."),
    (["data=stocks", "data.files=2024"], "data.files: 2024: no such file."),
    (["model.init=-1"], "model.init: got -1; expected a number of at least 0."),
    (["data=reber", "data.set=-1"], "data.set: got -1; expected an integer of at least 0."),
    (["data=multiplication_1997", "data.n_seq=[0]"], "data.n_seq: got 0; expected an integer of at least 1."),
    (["data=multiplication_1997", "data.n_seq=[]"], "data.n_seq=[]: expected at least one number"),
    (["data.batch_size=20000"], "data.batch_size=20000: larger than data.train_size=10000"),
    (["data=text", "data.length=10_000_000"], "data.length=10000000, data.batch_size=50: the train part has"),
    (["data=text", "data.files=[nope.txt]"], "data.files: nope.txt: no such file."),
    (["data=stocks", "data.files=[nope.csv]"], "data.files: nope.csv: no such file."),
    (["--config-dir", "nowhere"], "nowhere' not found"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_wrong_command_gets_one_line(seqlab: Command, tmp_path: Path, arguments: list[str], message: str) -> None:
    """One line on stderr, exit code 2, and no file or folder."""
    answer = seqlab("train", "logger=none", *arguments)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.startswith("seqlab: ")
    assert answer.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_key_is_told_of_by_what_was_composed(seqlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is composed again to name those that are there."""
    monkeypatch.setattr("hydra.compose", None)
    answer = seqlab("train", "cell=rnn", "cell.hiden_size=3")
    assert "Did you mean cell.hidden_size? Available in cell: batch_first, hidden_size, " in answer.err


def test_an_output_folder_that_cannot_be_written_is_named(seqlab: Command, tmp_path: Path) -> None:
    """It is found before training, not after it."""
    (tmp_path / "file").touch()
    answer = seqlab("train", "runs_dir=file")
    assert answer.code == 2
    assert answer.err.startswith("seqlab: runs_dir=file: cannot write there (")


def test_a_missing_value_is_named(seqlab: Command, tmp_path: Path) -> None:
    """??? in a YAML asks for a value, and the line says how to give it."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "cell" / "open.yaml").write_text("_target_: torch.nn.GRU\nhidden_size: ???\n")
    answer = seqlab("train", "--config-dir", "mine", "cell=open")
    assert (answer.code, answer.err) == (
        2,
        "seqlab: cell.hidden_size: no value is set. Give one with cell.hidden_size=VALUE.\n",
    )


def test_yaml_that_is_none_is_named_with_its_line(seqlab: Command, tmp_path: Path) -> None:
    """File, line and column."""
    (tmp_path / "mine" / "cell").mkdir(parents=True)
    (tmp_path / "mine" / "cell" / "broken.yaml").write_text("a: [1\nb: 2\n")
    answer = seqlab("train", "--config-dir", "mine", "cell=broken")
    assert answer.code == 2
    assert "broken.yaml, line 2, column 2: not valid YAML" in answer.err


@pytest.mark.parametrize("verb", ["trian", "comapre"])
def test_an_unknown_verb_is_named(seqlab: Command, verb: str) -> None:
    """With the one that was meant."""
    answer = seqlab(verb)
    assert answer.code == 2
    assert f"{verb}: no such verb. Did you mean {'train' if verb == 'trian' else 'compare'}?" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["train", "--help"],
        ["train", "--cfg", "job"],
        ["train", "cell=lstmm"],
        ["compare", "nope"],
        ["gradients", "nope"],
    ],
    ids=" ".join,
)
def test_quick_answers_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Help and wrong commands do not wait for torch."""
    code = (
        f"import sys; sys.argv = ['seqlab', *{arguments!r}]\n"
        "from seqlab.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pytorch_lightning', 'wandb', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_group_is_a_folder_of_options() -> None:
    """Those that can be chosen from, and no other."""
    folders = {folder.name for folder in plugins.conf_dir().iterdir() if folder.is_dir()}
    assert folders - {"hydra", "local", "sweep"} == set(plugins.GROUPS)


OPTIONS = [(group, name) for group in plugins.GROUPS for name in plugins.options(group)]


@pytest.mark.parametrize(("group", "name"), OPTIONS, ids=[f"{group}={name}" for group, name in OPTIONS])
def test_every_option_of_every_group_composes_and_its_classes_exist(group: str, name: str) -> None:
    """No YAML names a class that is not there, and each says how it is used and what it is."""
    option = plugins.options(group)[name]
    lines = [line for line in option.file.read_text().splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# seqlab train")
    assert lines[1] == f"# {option.about}"
    with initialize_config_dir(str(plugins.conf_dir()), version_base="1.3"):
        config = _loaded((f"{group}={name}",))
        run = freeze(without_hydra(config), Origin.of(config.hydra))
    for key, target in _targets(run.config):
        assert plugins.target_fault(target) is None, f"{group}={name}: {key}"


def _targets(node: object, key: str = ""):
    if isinstance(node, dict):
        for name, value in node.items():
            yield from [(key, value)] if name == "_target_" else _targets(value, f"{key}.{name}")


def test_data_chooses_its_task_and_task_its_model_but_an_override_wins(seqlab: Command) -> None:
    """data=translation alone is a complete choice."""
    config = yaml.safe_load(seqlab("train", "data=translation", "--cfg", "job").out)
    assert config["task"]["_target_"].endswith("Translate")
    assert config["model"]["_target_"].endswith("EncoderDecoder")
    config = yaml.safe_load(seqlab("train", "data=stocks", "task=regression", "--cfg", "job").out)
    assert config["task"]["_target_"].endswith("Regression")
    assert config["model"]["_target_"].endswith("SequenceModel")


def test_machine_local_settings_are_taken_from_an_untracked_file(seqlab: Command, tmp_path: Path) -> None:
    """conf/local/default.yaml, or the same in a --config-dir."""
    (tmp_path / "mine" / "local").mkdir(parents=True)
    (tmp_path / "mine" / "local" / "default.yaml").write_text("# @package _global_\nruns_dir: /scratch/runs\n")
    assert "runs_dir: /scratch/runs" in seqlab("train", "--config-dir", "mine", "--cfg", "job").out


@pytest.mark.parametrize("part", ["callbacks.checkpoint", "callbacks.progress", "logger.wandb"])
def test_a_part_that_is_null_is_off(part: str) -> None:
    """It gives the same run as one whose part is taken away."""
    off, gone = composed([f"{part}=null"]), composed([f"~{part}"])
    assert off.config == gone.config


def test_a_run_is_made_without_any_of_its_callbacks_and_trackers(seqlab: Command) -> None:
    """Off one by one, or all at once."""
    names = yaml.safe_load((plugins.conf_dir() / "callbacks" / "default.yaml").read_text())
    off = [f"callbacks.{name}=null" for name in names]
    assert seqlab("train", *TINY, *off, "logger.wandb=null").code == 0
    assert "finished already" in seqlab("train", *TINY, "~callbacks", "~logger").out


def test_a_type_is_that_of_the_value_it_replaces(train: Command) -> None:
    """An integer is a number; null is for the class to judge; what an experiment sets can be overridden."""
    assert train("optimizer.weight_decay=0", "cell.forget_bias=null", "optimizer.lr=1", tiny=TINY).code == 0
