"""A search: trials are means over seeds, the run folders are the truth, and nothing is made twice."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna", reason="a search needs Optuna: pip install 'seqlab[search]'")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from conftest import TINY, WILD, Command  # noqa: E402
from seqlab.engines.base import Ending, Engine  # noqa: E402
from seqlab.errors import Busy, ConfigError, SweepFailed  # noqa: E402
from seqlab.ledger import find  # noqa: E402
from seqlab.runs import Run  # noqa: E402
from seqlab.search import search as searching  # noqa: E402
from seqlab.search.search import Plan, Search  # noqa: E402
from seqlab.search.space import Dimension, parse  # noqa: E402

SPACE = [Dimension("x", FloatDistribution(0.0, 1.0)), Dimension("y", CategoricalDistribution(["a", "b"]), ("a", "b"))]


class Killed(BaseException):
    """The process has ended, as by SIGKILL: nothing is tidied up."""


class Pretend(Engine):
    """Makes a run in no time: its score is (x - 0.3)² + seed / 100, and ten more for y=b.

    Args:
        dies: after how many runs the process is killed.
        ends: how a run ends, by its id; finished unless said.
        goal: what the metric's goal is.
    """

    def __init__(self, dies: int | None = None, ends: Callable[[Run], str] = lambda run: "finished", goal: str = "min"):
        self.dies, self.ends, self.goal, self.made = dies, ends, goal, list[str]()

    def make(self, runs: Sequence[Run]) -> Iterator[Ending]:
        for run in runs:
            if self.dies == len(self.made):
                raise Killed
            try:
                with run.lease():
                    if run.finished:
                        continue
                    self.made.append(run.id)
                    run.conclude(self.summary(run))
            except Busy:
                pass
            yield Ending(run)

    def summary(self, run: Run) -> dict[str, Any]:
        score = (run.config["x"] - 0.3) ** 2 + run.config["seed"] / 100 + 10 * (run.config["y"] == "b")
        metric = {"name": "mse", "goal": self.goal, "unit": "units"}
        state = self.ends(run)
        told = {} if state == "finished" else {"error": "not today"}
        return {"status": state, "metric": metric, "best": {"val/mse": score}, "test": {}, "seconds": 0.0, **told}


class Detached(Pretend):
    """Leaves its runs to others."""

    detached = True

    def make(self, runs: Sequence[Run]) -> Iterator[Ending]:
        return iter(())


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., Search]:
    """A search of x and y, on pretended runs."""

    def make(
        engine: Engine | None = None, below: str = "runs", space: Sequence[Dimension] = SPACE, **plan: Any
    ) -> Search:
        def freeze(overrides: Sequence[str]) -> Run:
            values = dict(word.split("=", 1) for word in overrides)
            seed, x = int(values.pop("seed")), float(values.get("x", 0.0))
            group = "toy-" + "-".join(values.values())
            identity = {"id": f"{group}-s{seed}", "group": group, "choices": {"data": "toy"}}
            return Run({**identity, "seed": seed, "x": x, "y": values["y"], "runs_dir": str(tmp_path / below)})

        asked = {"n_trials": 6, "n_jobs": 2, "seeds": [1, 2, 3], "sampler": "tpe", "pruner": "none", "seed": 0, **plan}
        return Search(Plan(**asked), space, [], freeze, engine or Pretend())

    return make


def facts(trials: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What makes two trials the same."""
    return [(trial.params, trial.value, trial.state, trial.user_attrs) for trial in trials]


@pytest.mark.parametrize(
    ("word", "distribution"),
    [
        ("k=a,b", CategoricalDistribution(["a", "b"])),
        ("k=choice(16,32)", CategoricalDistribution(["16", "32"])),
        ("k=shuffle(2,1)", CategoricalDistribution(["1", "2"])),
        ("k=[1,2],[3]", CategoricalDistribution(["[1,2]", "[3]"])),
        ("k=range(1,10,3)", IntDistribution(1, 7, step=3)),
        ("k=range(5,1,-2)", IntDistribution(3, 5, step=2)),
        ("k=range(0.1,0.35,0.1)", FloatDistribution(0.1, 0.3, step=0.1)),
        ("k=interval(0,1)", FloatDistribution(0.0, 1.0)),
        ("k=int(interval(1,9))", IntDistribution(1, 9)),
        ("k=tag(int,interval(1,9))", IntDistribution(1, 9)),
        ("k=tag(log,interval(1e-4,1e-1))", FloatDistribution(1e-4, 1e-1, log=True)),
        ("k=tag(log,int,interval(1,64))", IntDistribution(1, 64, log=True)),
    ],
)
def test_a_space_is_written_in_hydras_sweep_syntax(word: str, distribution: Any) -> None:
    """Each form of the syntax is one distribution, in one form for equal spaces."""
    (dimension,), fixed = parse([word], None)
    assert dimension.distribution == distribution
    assert fixed == []


def test_plain_values_stay_fixed_and_the_later_of_two_counts() -> None:
    """A file's space is narrowed or pinned from the command line."""
    space, fixed = parse(["cell=lstm,gru", "lr=interval(0,1)", "data.files=[a,b]", "~w", "cell=rnn", "lr=1,2"], None)
    assert [dimension.key for dimension in space] == ["lr"]
    assert fixed == ["cell=rnn", "data.files=[a,b]", "~w"]


def test_a_number_of_a_range_is_written_as_in_the_range() -> None:
    """0.1 + 0.1 + 0.1 is 0.3, so the run's identity does not depend on how it was reached."""
    (dimension,), _ = parse(["k=range(0.1,0.5,0.1)"], None)
    assert [dimension.override(0.1 + i * 0.1) for i in range(4)] == ["k=0.1", "k=0.2", "k=0.3", "k=0.4"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("seed=1,2", "seed=1,2: the seed is not searched; each trial is its mean over hydra.sweeper.seeds="),
        ("seed=1", "seed=1: the seed is not searched"),
        ("k=1", "nothing is searched. Give a key several values"),
        ("threads=1,2", "threads=1,2: threads cannot change a result"),
        ("logger.mode=a,b", "logger.mode cannot change a result"),
        ("k=tag(lg,interval(0,1))", "the tag lg means nothing here. An interval may be tagged int or log"),
        ("k=tag(log,interval(0,1))", "not a space to search: `low > 0` must hold"),
        ("k=range(3,1)", "not a space to search: the range is empty"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(word: str, message: str) -> None:
    """Before anything is started, with what was written."""
    with pytest.raises(ConfigError) as error:
        parse([word], None)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            {"sampler": "tpee"},
            "hydra.sweeper.sampler=tpee: no such sampler. Did you mean tpe? Available: tpe, random, grid.",
        ),
        ({"pruner": "medan"}, "hydra.sweeper.pruner=medan: no such pruner. Did you mean median?"),
        ({"seeds": [1]}, "got [1]; expected at least 2, since one run does not tell a good value from a lucky seed."),
        ({"seeds": [1, 1]}, "got [1, 1]; expected different integers"),
        ({"n_trials": 0}, "hydra.sweeper.n_trials: got 0; expected an integer of at least 1."),
        ({"study": "a/b"}, "hydra.sweeper.study=a/b: not the name of a file."),
        ({"sampler": "grid"}, "hydra.sweeper.sampler=grid: x is an interval, which has no grid."),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_one_line(search: Callable[..., Search], plan: Any, message: str) -> None:
    """Names with a suggestion, numbers with their range; and never a trial of one seed."""
    with pytest.raises(ConfigError) as error:
        search(**plan)
    assert message in str(error.value)


@pytest.mark.parametrize(("n", "looks"), [(2, [2]), (3, [2, 3]), (5, [2, 4, 5]), (8, [2, 4, 8])])
def test_evidence_doubles_between_two_looks(n: int, looks: list[int]) -> None:
    """A trial is first looked at after two seeds; where nothing is pruned, only at the end."""
    asked = {"n_trials": 1, "n_jobs": 1, "seeds": list(range(n)), "sampler": "tpe", "seed": 0}
    assert Plan(pruner="median", **asked).looks == looks
    assert Plan(pruner="none", **asked).looks == [n]


def test_a_trial_is_its_mean_over_seeds_and_the_same_command_makes_nothing(search: Callable[..., Search]) -> None:
    """n_trials is the total, and what is finished counts."""
    engine = Pretend()
    trials = search(engine).make()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    for trial in trials:
        expected = (trial.params["x"] - 0.3) ** 2 + 0.02 + 10 * (trial.params["y"] == "b")
        assert trial.value == pytest.approx(expected)
    assert len(engine.made) == len(set(engine.made)) == 18
    again = Pretend()
    assert facts(search(again).make()) == facts(trials)
    assert again.made == []


def test_a_search_killed_again_and_again_goes_on_to_the_same_trials(search: Callable[..., Search]) -> None:
    """Trials left running are taken up with their parameters; no run is made twice, and no draw differs."""
    plan = {"n_trials": 14, "n_jobs": 4, "seeds": [1, 2]}  # TPE draws by chance alone until ten have ended
    whole = search(below="whole", **plan).make()
    made: list[str] = []
    for dies in (0, 1, 9, 15):
        killed = search(engine := Pretend(dies=dies), **plan)
        with pytest.raises(Killed):
            killed.make()
        assert TrialState.RUNNING in {trial.state for trial in killed.trials}
        made += engine.made
    engine = Pretend()
    assert facts(search(engine, **plan).make()) == facts(whole)
    made += engine.made
    assert len(made) == len(set(made)) == 28


def test_a_search_killed_while_it_draws_or_judges_goes_on_to_the_same_trials(
    search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial stands there whole or not at all; a batch that was drawn or judged in part is brought to its end first."""
    plan = {"n_trials": 18, "n_jobs": 4, "seeds": [1, 2]}
    whole = search(below="whole", **plan).make()
    drawn, judge = Search._drawn, Search._judge

    def draw_two(self: Search, study: Any, number: int, *rest: Any) -> Any:
        if number == 2:
            raise Killed
        return drawn(self, study, number, *rest)

    def judge_thirteen(self: Search, study: Any, trial: Any, *rest: Any) -> None:
        if trial.number == 13:
            raise Killed
        judge(self, study, trial, *rest)

    for name, deadly, left in (("_drawn", draw_two, [0, 1]), ("_judge", judge_thirteen, [13, 14, 15])):
        killed = search(**plan)
        with monkeypatch.context() as patch:
            patch.setattr(Search, name, deadly)
            with pytest.raises(Killed):
                killed.make()
        assert [trial.number for trial in killed.trials if trial.state == TrialState.RUNNING] == left
    assert facts(search(**plan).make()) == facts(whole)


def test_more_trials_cost_only_the_trials_that_are_missing(search: Callable[..., Search]) -> None:
    """What was found stays."""
    before = search(n_trials=4).make()
    engine = Pretend()
    after = search(engine, n_trials=8).make()
    assert facts(after[:4]) == facts(before)
    assert len(engine.made) == 12


def test_more_seeds_cost_only_the_seeds_that_are_missing(search: Callable[..., Search]) -> None:
    """Values are computed anew, from old runs and new ones."""
    before = search().make()
    engine = Pretend()
    after = search(engine, seeds=[1, 2, 3, 4, 5]).make()
    assert [trial.params for trial in after] == [trial.params for trial in before]
    assert len(engine.made) == 12
    assert {name[-3:] for name in engine.made} == {"-s4", "-s5"}
    assert [trial.value for trial in after] == pytest.approx([trial.value + 0.01 for trial in before])


def test_the_run_folders_are_the_truth(search: Callable[..., Search], tmp_path: Path) -> None:
    """A folder that is gone is made again; a score that differs from what was kept is the one that counts."""
    before = search().make()
    gone, changed = before[1].user_attrs["group"], before[2].user_attrs["group"]
    shutil.rmtree(tmp_path / "runs" / f"{gone}-s2")
    path = tmp_path / "runs" / f"{changed}-s1" / "summary.json"
    summary = json.loads(path.read_text())
    summary["best"]["val/mse"] += 3
    path.write_text(json.dumps(summary))
    engine = Pretend()
    after = search(engine).make()
    assert engine.made == [f"{gone}-s2"]
    assert after[2].value == pytest.approx(before[2].value + 1)
    others = [0, 1, 3, 4, 5]
    assert facts([after[i] for i in others]) == facts([before[i] for i in others])


class Eager(optuna.pruners.BasePruner):
    """Would drop everything."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def prune(self, study: Any, trial: Any) -> bool:
        self.asked.append(trial.last_step)
        return True


def test_a_single_seed_never_prunes(search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch) -> None:
    """However eager the pruner: it is asked after two seeds, and what it drops has no further run made."""
    eager, engine = Eager(), Pretend()
    monkeypatch.setattr(searching, "PRUNERS", {"median": eager})
    trials = search(engine, pruner="median", seeds=[1, 2, 3, 4, 5]).make()
    assert eager.asked == [2] * 6
    assert {trial.state for trial in trials} == {TrialState.PRUNED}
    assert all(list(trial.intermediate_values) == [2] for trial in trials)
    assert {name[-3:] for name in engine.made} == {"-s1", "-s2"}
    again = Pretend()
    search(again, pruner="median", seeds=[1, 2, 3, 4, 5]).make()
    assert again.made == []


def test_a_look_that_was_passed_is_passed(search: Callable[..., Search], monkeypatch: pytest.MonkeyPatch) -> None:
    """With more seeds a trial is dropped on new evidence alone, so that what was complete is at least as well known."""
    search(pruner="median").make()
    eager, engine = Eager(), Pretend()
    monkeypatch.setattr(searching, "PRUNERS", {"median": eager})
    trials = search(engine, pruner="median", seeds=[1, 2, 3, 4, 5]).make()
    assert eager.asked == [4] * 6
    assert {len(trial.user_attrs["scores"]) for trial in trials} == {4}
    assert {name[-3:] for name in engine.made} == {"-s4"}


def test_the_median_pruner_drops_what_is_worse_than_most(search: Callable[..., Search]) -> None:
    """Its first five trials are complete; then what is above their median after two seeds goes no further."""
    trials = search(pruner="median", n_trials=16).make()
    assert [trial.state for trial in trials[:5]] == [TrialState.COMPLETE] * 5
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all(len(trial.user_attrs["scores"]) == 2 for trial in pruned)
    best = min(trials, key=lambda trial: trial.value)
    assert best.state == TrialState.COMPLETE


def test_a_failed_run_fails_its_trial_and_the_search_goes_on(search: Callable[..., Search]) -> None:
    """The cause is kept. Again, what diverged has diverged, and what failed otherwise is tried again."""
    groups = [trial.user_attrs["group"] for trial in search(below="whole", sampler="random").make()]
    moods = {f"{groups[1]}-s2": "diverged", f"{groups[4]}-s1": "failed"}
    first = Pretend(ends=lambda run: moods.get(run.id, "finished"))
    made = search(first, sampler="random")
    trials = made.make()
    made.check(trials)
    assert [trial.number for trial in trials if trial.state == TrialState.FAIL] == [1, 4]
    assert trials[1].user_attrs["cause"] == f"{groups[1]}-s2: diverged: not today"
    assert trials[4].user_attrs["cause"] == f"{groups[4]}-s1: failed: not today"
    again = Pretend()
    trials = search(again, sampler="random").make()
    assert [trial.number for trial in trials if trial.state == TrialState.FAIL] == [1]
    assert again.made == [f"{groups[4]}-s1"]


def test_a_run_that_diverged_before_a_kill_is_not_made_again(search: Callable[..., Search]) -> None:
    """It would diverge again."""
    first, second = (Pretend(dies=dies, ends=lambda run: "diverged") for dies in (1, None))
    with pytest.raises(Killed):
        search(first, n_trials=1).make()
    search(second, n_trials=1).make()
    assert len(first.made) == 1
    assert len(second.made) == 2
    assert not set(first.made) & set(second.made)


def test_a_search_in_which_every_trial_failed_has_failed(search: Callable[..., Search]) -> None:
    """It exits 3 where divergence is all that went wrong, and 1 otherwise."""
    for state, code in (("diverged", 3), ("failed", 1)):
        made = search(Pretend(ends=lambda run, state=state: state), below=state)  # type: ignore[misc]
        trials = made.make()
        with pytest.raises(SweepFailed, match="6 of 6 trials failed") as error:
            made.check(trials)
        assert error.value.exit_code == code


def test_the_metric_says_which_way_is_better(search: Callable[..., Search]) -> None:
    """A metric to be raised makes a study to be maximised, from its first result on."""
    made = search(Pretend(goal="max"), n_trials=16)
    trials = made.make()
    with made.storage.open() as study:
        assert study.direction == optuna.study.StudyDirection.MAXIMIZE
        assert study.best_value == max(trial.value for trial in trials)
    assert [trial.params["y"] for trial in trials[10:]].count("b") > 3


def test_two_searches_at_once_make_one_search(search: Callable[..., Search]) -> None:
    """Each makes what the other has not begun; every trial is proposed once, every run made once."""
    whole = search(below="whole", n_trials=8).make()
    engines = [Pretend(), Pretend()]
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda engine=engine: results.append(search(engine, n_trials=8).make()))  # type: ignore[misc]
        for engine in engines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert facts(results[0]) == facts(results[1]) == facts(whole)
    made = engines[0].made + engines[1].made
    assert len(made) == len(set(made)) == 24


def test_a_grid_is_walked_once_and_no_further(search: Callable[..., Search]) -> None:
    """Every point once, whatever more is asked for; a part of it is no corner of it."""
    space = [Dimension("x", FloatDistribution(0.0, 0.4, step=0.1), (0.0, 0.1, 0.2, 0.3, 0.4)), SPACE[1]]
    points = [tuple(trial.params.values()) for trial in search(space=space, sampler="grid", n_trials=20).make()]
    assert sorted(points) == [(x, y) for x in (0.0, 0.1, 0.2, 0.3, 0.4) for y in "ab"]
    assert points != sorted(points)


def test_a_named_study_is_of_one_search(search: Callable[..., Search], tmp_path: Path) -> None:
    """Its file bears the name, out of the way of the runs; another space under the same name is refused."""
    search(study="mine").make()
    assert (tmp_path / "runs" / ".search" / "mine.db").exists()
    assert len(find([tmp_path / "runs"])) == 18
    with pytest.raises(ConfigError, match=r"hydra.sweeper.study=mine: that study is of another search"):
        search(study="mine", space=[SPACE[1]])


def test_a_detached_engine_is_left_to_itself(search: Callable[..., Search], caplog: pytest.LogCaptureFixture) -> None:
    """The search ends with its trials unjudged; once the runs have been made, the same command goes on."""
    caplog.set_level("INFO", logger="seqlab")
    made = search(Detached())
    trials = made.make()
    made.check(trials)
    assert [trial.state for trial in trials] == [TrialState.RUNNING] * 2
    assert "The same command goes on with the search when they have ended." in caplog.text
    assert facts(search().make()) == facts(search(below="whole").make())


def test_parameters_that_do_not_go_together_fail_their_trial(search: Callable[..., Search]) -> None:
    """The ends of each key are checked beforehand; what fails only in combination fails alone, and starts no run."""
    engine = Pretend()
    made = search(engine, sampler="random", n_jobs=1)
    freeze = made.freeze

    def choosy(overrides: Sequence[str]) -> Run:
        run = freeze(overrides)
        if run.config["y"] == "b":
            raise ConfigError("x and y do not go together.")
        return run

    made.freeze = choosy
    trials = made.make()
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert 0 < len(failed) < 6
    assert {trial.user_attrs["cause"] for trial in failed} == {"x and y do not go together."}
    assert len(engine.made) == 3 * (6 - len(failed))


SEARCH = ("train", "-m", "hydra/sweeper=optuna", "logger=none", *TINY[:-1], "hydra.sweeper.seeds=[1,2]")


def test_a_search_from_the_command_line(seqlab: Command, tmp_path: Path) -> None:
    """Real runs, by the chosen engine; the end says what is best, how it was chosen, and how to learn what it is worth."""
    space = ["data=adding", "data.length=10", "cell.hidden_size=4,8", "optimizer.lr=tag(log,interval(1e-3,1e-1))"]
    answer = seqlab(*SEARCH, *space, "hydra.sweeper.n_trials=3", "hydra.launcher.workers=2")
    assert answer.code == 0, answer.err
    assert "3 trials over 2 seeds, 0 judged already" in answer.out
    assert "3 trials: 3 complete." in answer.out
    assert "is best: chosen on validation, as the best of 3, so its score there is optimistic." in answer.out
    (command,) = [line for line in answer.out.splitlines() if line.startswith("  seqlab train -m ")]
    assert "data.length=10 cell.hidden_size=" in command
    assert command.endswith(" seed=3,4")
    folders = find([tmp_path / "runs"])
    assert len(folders) == 6
    assert "3 trials over 2 seeds, 3 judged already" in seqlab(*SEARCH, *space, "hydra.sweeper.n_trials=3").out


def test_a_space_stands_in_an_experiment_file(seqlab: Command, tmp_path: Path) -> None:
    """A committed search is one name; the command line pins or narrows it."""
    chosen = ["experiment=adding_search", "cell=gru", "cell.hidden_size=4", "hydra.sweeper.seeds=[1,2]"]
    answer = seqlab("train", "-m", "logger=none", *TINY, *chosen, "hydra.sweeper.n_trials=1")
    assert answer.code == 0, answer.err
    assert [folder.name[:10] for folder in find([tmp_path / "runs"])] == ["adding-gru"] * 2
    (command,) = [line for line in answer.out.splitlines() if line.startswith("  seqlab train ")]
    assert " -m " not in command


def test_a_diverged_search_exits_three(seqlab: Command) -> None:
    """Where every trial diverges, the exit code says so, and each cause is listed."""
    answer = seqlab(*SEARCH, *WILD, "cell.hidden_size=4,8", "hydra.sweeper.n_trials=2", "hydra.sweeper.sampler=grid")
    assert answer.code == 3
    assert "2 trials: 2 failed." in answer.out
    assert "trial 0: adding-vanilla-" in answer.out
    assert "2 of 2 trials failed, so there is no best one." in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=adding,stocks"], "data=adding,stocks: what differs in its data cannot be compared"),
        (["optimizer.lr=interval(-1,1)"], "optimizer.lr: got -1.0; expected a number above 0."),
        (["cell=lstm,gruu"], "cell=gruu: no such cell. Did you mean gru?"),
        (
            ["cell=lstm,gru", "hydra/launcher=basic"],
            "hydra/launcher=basic: a search needs one of seqlab's own",
        ),
        (["cell=lstm,gru", "trainer=debug"], "such a run makes no result"),
        (
            ["cell=lstm,gru", "hydra.sweeper.n_trial=3"],
            "hydra.sweeper.n_trial: no such key. Did you mean hydra.sweeper.n_trials?",
        ),
    ],
)
def test_a_search_that_cannot_be_starts_nothing(
    seqlab: Command, tmp_path: Path, words: list[str], message: str
) -> None:
    """One line, exit code 2, and no folder."""
    answer = seqlab("train", "-m", "hydra/sweeper=optuna", "logger=none", "trainer=cpu", *words)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_optuna_the_extra_is_named(seqlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before anything is started."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = seqlab("train", "-m", "hydra/sweeper=optuna", "cell=lstm,gru")
    assert answer.code == 2
    assert "hydra/sweeper=optuna: Optuna is not installed. Get it with: pip install 'seqlab[search]'" in answer.err
