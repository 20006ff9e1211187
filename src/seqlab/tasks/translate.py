"""Write the translation of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.data.base import Batch
from seqlab.heads import cross_entropy
from seqlab.models.encoder_decoder import END
from seqlab.spec import IGNORE, Tokens
from seqlab.tasks.base import Measures, SequenceTask

SHOWN = 5
"""How many translations a sample shows."""


class Translate(SequenceTask):
    """Cross-entropy with teacher forcing; judged by greedy translations that are given nothing but the source."""

    answers = (Tokens,)
    positions = ("after",)

    def loss(self, batch: Batch, split: str) -> Tensor:
        """Nats per target symbol."""
        source, target = batch
        return cross_entropy(self.model(source, target), target)

    def measure(self, batch: Batch, split: str) -> Measures:
        """The loss, the share of right symbols, and the share of translations that are right from end to end."""
        source, target = batch
        counts = target != IGNORE
        right = self.model.decode(source, target.shape[1]) == target
        symbols = int(counts.sum())
        return {
            "loss": (self.loss(batch, split), symbols),
            "token_accuracy": ((right & counts).sum() / symbols, symbols),
            "exact_match": ((right | ~counts).all(1).float().mean(), len(target)),
        }

    @torch.no_grad()
    def samples(self, batch: Batch) -> list[dict[str, str]]:
        """The first translations beside their sources and the truth."""
        source, target = batch[0][:SHOWN], batch[1][:SHOWN]
        said = self.model.decode(source, target.shape[1])
        inputs, outputs = self.spec.inputs, self.spec.targets
        assert isinstance(inputs, Tokens)
        assert isinstance(outputs, Tokens)
        return [
            {
                "source": inputs.write([i for i in s.tolist() if i != 0]),
                "translation": outputs.write(_until_end(w.tolist())),
                "truth": outputs.write(_until_end(t.tolist())),
            }
            for s, w, t in zip(source, said, target, strict=True)
        ]


def _until_end(ids: list[int]) -> list[int]:
    return ids[: ids.index(END)] if END in ids else ids
