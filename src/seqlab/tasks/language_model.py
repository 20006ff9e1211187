"""Predict each symbol from all before it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from seqlab.data.base import Batch
from seqlab.spec import Tokens
from seqlab.tasks.base import Measures, SequenceTask

PROMPT, WRITTEN = 40, 160
"""How many symbols a sample is given, and how many it writes."""


class LanguageModel(SequenceTask):
    """Cross-entropy at every step, with the state carried along the text: truncated BPTT."""

    answers = (Tokens,)
    positions = ("every",)

    def loss(self, batch: Batch, split: str) -> Tensor:
        """Nats per symbol."""
        return self.nats(batch, split)

    def measure(self, batch: Batch, split: str) -> Measures:
        """The loss, over all positions."""
        return {"loss": (self.loss(batch, split), batch[1].numel())}

    def derive(self, means: Mapping[str, float]) -> dict[str, float]:
        """Perplexity e^loss, and for characters the bits loss / ln 2."""
        nats = means["loss"]
        bits = {"bits_per_character": nats / math.log(2)} if self.spec.metric.name == "bits_per_character" else {}
        return {"perplexity": math.exp(min(nats, 700.0)), **bits}

    @torch.no_grad()
    def samples(self, batch: Batch) -> list[dict[str, str]]:
        """One continuation of a validation text, each symbol drawn from its softmax with a fixed seed."""
        prompt = batch[0][:1, :PROMPT]
        randomness = torch.Generator(device=prompt.device).manual_seed(0)
        z, state = self.model(prompt)
        written: list[int] = []
        for _ in range(WRITTEN):
            symbol = torch.multinomial(z[:, -1].float().softmax(-1), 1, generator=randomness)
            written.append(int(symbol))
            z, state = self.model(symbol, state)
        assert isinstance(self.spec.targets, Tokens)
        return [{"prompt": self.spec.targets.write(prompt[0].tolist()), "written": self.spec.targets.write(written)}]
