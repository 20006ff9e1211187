"""Copy memory: say what was said first, long after."""

from __future__ import annotations

import math

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, at_least, one_of
from seqlab.spec import DataSpec, Metric, Tokens

FORMS = ("urnn", "tcn")
BLANK, LETTERS, MARKER = 0, 8, 9
WRITTEN = ("_", *"abcdefgh", "|")


class Copying(GeneratedData):
    """The copy memory task, with n symbols of an alphabet of eight to be said again after T steps.

    The net reads n symbols, T − 1 blanks, a marker and n blanks, T + 2n steps in all. It is to answer T + n blanks and
    then the n symbols; the loss is the mean over all steps. In the ``tcn`` form the marker also takes the place of the
    last n blanks. With n = 3 and T = 4::

        urnn    a c b _ _ _ | _ _ _        tcn    a c b _ _ _ | | | |
        answer  _ _ _ _ _ _ _ a c b

    Whoever remembers nothing does best with blanks and then each symbol at 1/8, which costs n ln 8 / (T + 2n) nats:
    0.1733 at T = 100 and 0.0204 at T = 1000 for the usual n = 10.

    Source: Arjovsky, Shah & Bengio (2016), whose nets have no output for the marker (9 outputs); Bai, Kolter & Koltun
    (2018), whose nets have one (10 outputs). The task goes back to Hochreiter & Schmidhuber (1997).

    Args:
        length: T; each symbol is asked for T + n steps after it was read.
        symbols: n, how many to remember.
        form: ``urnn`` or ``tcn``.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: an unknown form, or nothing to remember, or no step between.
    """

    def __init__(self, length: int, symbols: int = 10, form: str = "urnn", **sizes: int):
        super().__init__(**sizes)
        self.length = at_least("data.length", length, 1)
        self.symbols = at_least("data.symbols", symbols, 1)
        self.form = one_of("data.form", form, FORMS)

    def describe(self) -> DataSpec:
        """One of ten tokens in at each step, one of nine or ten out."""
        outputs = WRITTEN if self.form == "tcn" else WRITTEN[:MARKER]
        return DataSpec(
            inputs=Tokens(len(WRITTEN), WRITTEN, blank=BLANK),
            targets=Tokens(len(outputs), outputs, blank=BLANK),
            loss_at="every",
            metric=Metric("loss", "min", "nats per step"),
            references={"chance": self.symbols * math.log(LETTERS) / (self.length + 2 * self.symbols), "best": 0.0},
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs and targets (size, T + 2n)."""
        n = self.symbols
        said = rng.integers(1, 1 + LETTERS, (size, n))
        x, y = np.full((2, size, length + 2 * n), BLANK)
        x[:, :n] = said
        x[:, n + length - 1 : None if self.form == "tcn" else n + length] = MARKER
        y[:, n + length :] = said
        return torch.from_numpy(x), torch.from_numpy(y)
