"""Runs that only Weights & Biases has: fetched from a server on loopback by wandb's own client, and compared as any."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

from conftest import TINY, WILD, Command
from fake_wandb import ENTITY, FakeWandb


def test_runs_that_wandb_has_are_compared_as_if_their_folders_were_here(
    server: FakeWandb, train: Command, seqlab: Command, tmp_path: Path
) -> None:
    """The same tables, of finished runs and of one that diverged; and the same curves."""
    for seed in (1, 2):
        train("logger=wandb", f"seed={seed}", tiny=TINY)
    train("logger=wandb", "seed=3", tiny=WILD)
    here = json.loads(_asked(seqlab, "runs"))
    shutil.rmtree(tmp_path / "runs")
    there = json.loads(_asked(seqlab, "--wandb", f"{ENTITY}/seqlab"))
    finished = [run for row in here["comparisons"][0]["rows"] for run in row["runs"] if run["status"] == "finished"]
    assert len(finished) == 2
    assert [
        run for row in there["comparisons"][0]["rows"] for run in row["runs"] if run["status"] == "finished"
    ] == finished
    lost = [run for each in there["comparisons"] for row in each["rows"] for run in row["runs"] if run["cause"]]
    assert [(run["seed"], run["cause"]) for run in lost] == [(3, "W&B says: failed")]
    assert seqlab("compare", "--wandb", "seqlab", "--csv", "r.csv").code == 0
    with Path("r.csv").open() as rows:
        assert [row["seed"] for row in csv.DictReader(rows) if row["status"] == "finished"] == ["1", "2"]
    page = seqlab("compare", "--wandb", "seqlab", "--html", "r.html")
    assert page.code == 0
    assert "Learning curves" in Path("r.html").read_text()


def test_what_cannot_be_read_is_one_line(server: FakeWandb, train: Command, seqlab: Command) -> None:
    """A project that is not there; one in which nothing is ours; and a name that leads out of the folder."""
    wrong = seqlab("compare", "--wandb", f"{ENTITY}/nothing")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "--wandb lab/nothing: cannot be read (Could not find project nothing)" in wrong.err
    train("logger=wandb", tiny=TINY)
    for run in server.runs.values():
        run.config["cfg"]["value"]["id"] = "../elsewhere"
    assert "none of its runs was made by seqlab" in seqlab("compare", "--wandb", "seqlab").err
    for run in server.runs.values():
        run.config.pop("cfg")
    assert (
        seqlab("compare", "--wandb", "seqlab").err == "seqlab: --wandb seqlab: none of its runs was made by seqlab.\n"
    )


def _asked(seqlab: Command, *words: str) -> str:
    assert seqlab("compare", *words, "--json", "told.json").code == 0
    return Path("told.json").read_text()
