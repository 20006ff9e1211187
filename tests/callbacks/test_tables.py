"""What was learned is kept as numbers and drawn as a page that needs no network."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest

from conftest import Command
from seqlab.callbacks.tables import draw
from seqlab.checkpoints import BEST, read
from seqlab.ledger import find


def test_a_run_keeps_and_draws_the_tables_that_were_tested(train: Command, tmp_path: Path) -> None:
    """Those of the best checkpoint, in the run folder; other cells leave none."""
    for cell in ("hmm", "rnn"):
        answer = train("data=text", f"cell={cell}", "trainer.max_epochs=2")
        assert answer.code == 0, answer.err
    hmm, rnn = find([tmp_path])
    assert not list(rnn.glob("tables.*"))
    tables = json.loads((hmm / "tables.json").read_text("utf-8"))
    best = read(hmm / "checkpoints" / BEST)["state_dict"]["model.cell.emission"].exp()
    assert sorted(chain(*tables["emission"]["data"])) == pytest.approx(sorted(best.flatten().tolist()), rel=1e-4)
    assert "\n" in tables["emission"]["columns"]
    assert hmm.name in (hmm / "tables.html").read_text("utf-8")


def test_a_page_is_whole_and_shows_every_label() -> None:
    """No script comes from elsewhere; white space has a sign, markup is text, digits are no numbers."""
    table = pd.DataFrame([[0.5, 0.25, 0.25, 0.0]], ["state"], [" ", "\n", "<b>", "7"])
    page = draw({"emission": table, "again": table}, "title")
    assert not re.search(r"<script[^>]*\ssrc=", page)
    for label in (r"\u2423", r"\\n", "&lt;b&gt;", "7"):
        assert f'"{label}"' in page
    assert '"type":"category"' in page
