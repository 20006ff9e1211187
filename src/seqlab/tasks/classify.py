"""Answer with classes: one for a sequence, or a symbol at each step that asks for one."""

from __future__ import annotations

from torch import Tensor

from seqlab.data.base import Batch
from seqlab.heads import cross_entropy
from seqlab.spec import IGNORE, Classes, Tokens
from seqlab.tasks.base import Measures, SequenceTask

SHOWN = 5
"""How many answers a sample shows."""


class Classify(SequenceTask):
    """Cross-entropy, judged by the share of right answers; nothing that was answered is fed back."""

    answers = (Tokens, Classes)
    positions = ("every", "last", "masked")

    def loss(self, batch: Batch, split: str) -> Tensor:
        """Nats per answer, blanks among them."""
        if self.spec.right is None:
            return self.nats(batch, split)
        x, y = batch
        z = self.run_model(x, split)
        self._judged(batch, z, split)
        return cross_entropy(z, y)

    def measure(self, batch: Batch, split: str) -> Measures:
        """The loss; of each sequence the share of right answers; and how many sequences are right from end to end.

        Where the data say which answers are right, also how many sequences are wrong by that measure.
        """
        x, y = batch
        z = self.run_model(x, split)
        asked = (y != IGNORE).view(len(y), -1)
        counts = asked & (y != self._blank).view(len(y), -1)
        right = (z.argmax(-1) == y).view(len(y), -1) & counts
        shares = right.sum(1) / counts.sum(1)
        measures = {
            "loss": (cross_entropy(z, y), int(asked.sum())),
            "accuracy": (shares.mean(), len(y)),
            **self._judged(batch, z, split),
        }
        if self.spec.loss_at == "last":
            return measures
        return {**measures, "exact_match": ((right | ~counts).all(1).float().mean(), len(y))}

    def samples(self, batch: Batch) -> list[dict[str, str]]:
        """The first answers beside the truth."""
        x, y = batch[0][:SHOWN], batch[1][:SHOWN]
        said = self.model(x)[0].argmax(-1)
        counts = (y != IGNORE) & (y != self._blank)
        rows = zip(said.view(len(y), -1), y.view(len(y), -1), counts.view(len(y), -1), strict=True)
        answers = [{"said": self._written(s[c]), "truth": self._written(t[c])} for s, t, c in rows]
        if not isinstance(self.spec.inputs, Tokens):
            return answers
        return [{"input": self.spec.inputs.write(ids.tolist())} | row for ids, row in zip(x, answers, strict=True)]

    def _judged(self, batch: Batch, z: Tensor, split: str) -> Measures:
        return self.judge(batch, z.softmax(-1), split) if self.spec.right else {}

    @property
    def _blank(self) -> int:
        blank = self.spec.targets.blank if isinstance(self.spec.targets, Tokens) else None
        return IGNORE if blank is None else blank

    def _written(self, ids: Tensor) -> str:
        kind = self.spec.targets
        return kind.write(ids.tolist()) if isinstance(kind, Tokens) else " ".join(map(str, ids.tolist()))
