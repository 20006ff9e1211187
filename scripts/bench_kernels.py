"""How fast a training step of our own cells is; run it as ``.venv/bin/python scripts/bench_kernels.py``.

A step is the loss of a small model and all its gradients, without an optimizer: input, recurrence, readout, softmax.
Ours is the model that runs have, by each engine. The others are PyTorch's own modules as fast as they can be put
together (time-major, without biases), a loop that autograd differentiates, and ``jax.lax.scan``, jit-compiled, where
JAX is installed. All are in one process, in turn, in random order; a ratio is the median of those of its turns. The
floor is the time that the products alone would take at the best rate that a large product reaches between them.

    bench_kernels.py words copy --seconds 20 --threads 1 --json kernels.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqlab import processor
from seqlab.cells.bptt import native
from seqlab.cells.gru_native import NativeGRU
from seqlab.cells.lstm_native import NativeLSTM
from seqlab.cells.recurrent import recurrent_weights
from seqlab.cells.vanilla import VanillaRNN
from seqlab.models.sequence import SequenceModel
from seqlab.products import fast_products
from seqlab.spec import Classes, DataSpec, Metric, Reals, Tokens

Step = Callable[[], object]
METRIC = Metric("loss", "min", "nats")


@dataclass(frozen=True)
class Size:
    """What is trained: B sequences of T tokens of K, or of T reals and one of ten classes at the end, by H units."""

    name: str
    B: int
    T: int
    H: int
    K: int
    last: bool = False
    vanishing: bool = False

    @property
    def spec(self) -> DataSpec:
        """As a data set announces it."""
        if self.last:
            return DataSpec(Reals(1), Classes(10), "last", METRIC)
        return DataSpec(Tokens(self.K), Tokens(self.K), "every", METRIC)

    @property
    def batch(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets, batch first."""
        randomness = torch.Generator().manual_seed(0)
        if self.last:
            return torch.rand(self.B, self.T, 1, generator=randomness), torch.randint(
                10, (self.B,), generator=randomness
            )
        return tuple(torch.randint(self.K, (self.B, self.T), generator=randomness) for _ in range(2))  # type: ignore[return-value]

    @property
    def flops(self) -> float:
        """Of the products that no implementation can do without."""
        recurrent = 6 * self.T * self.B * self.H**2
        return recurrent + (4 * self.T * self.B * self.H if self.last else 6 * self.T * self.B * self.H * self.K)


SIZES = {
    size.name: size
    for size in (
        Size("words", 32, 35, 200, 10_000),
        Size("characters", 64, 100, 128, 64),
        Size("pixels", 20, 784, 128, 1, last=True),
        Size("bytes", 128, 200, 256, 256),
        Size("copy", 16, 1000, 64, 10),
        Size("vanishing", 20, 784, 128, 1, last=True, vanishing=True),
    )
}


def start(cell: nn.Module, size: Size) -> None:
    """Orthogonal recurrent weights, so that no engine gains by gradients that vanish; or such as ``nn.RNN`` has."""
    if size.vanishing:
        return
    for U in recurrent_weights(cell).values():
        for gate in U.detach().split(size.H):
            nn.init.orthogonal_(gate)


class Theirs(nn.Module):
    """A model of PyTorch's own parts.

    Args:
        size: what is trained.
        kind: ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``.
        one_hot: one-hot inputs in place of an embedding, as many parameters as ours.
    """

    def __init__(self, size: Size, kind: type, one_hot: bool = False):
        super().__init__()
        self.size, self.one_hot = size, one_hot
        self.embedding = None if size.last or one_hot else nn.Embedding(size.K, size.H)
        self.cell = kind(size.K if size.last or one_hot else size.H, size.H, bias=False)
        start(self.cell, size)
        self.readout = nn.Linear(size.H, 10 if size.last else size.K, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss of a time-major batch."""
        if self.embedding is not None:
            x = self.embedding(x)
        elif self.one_hot:
            x = F.one_hot(x, self.size.K).float()
        h = self.cell(x)[0]
        z = self.readout(h[-1] if self.size.last else h)
        return F.cross_entropy(z.flatten(0, -2), y.flatten())


def theirs(size: Size, kind: type, one_hot: bool = False) -> Step:
    """A step of PyTorch's own modules."""
    x, y = size.batch
    x, y = x.transpose(0, 1).contiguous(), y if size.last else y.T.contiguous()
    model = Theirs(size, kind, one_hot)
    return stepping(model, lambda: model(x, y))


def ours(size: Size, make: Callable[..., nn.Module], **options: object) -> Step:
    """A step of the model that runs have."""
    x, y = size.batch
    model = SequenceModel(size.spec, lambda K: make(K, size.H, bias=False, **options), bias=False)
    start(model.coded.cell, size)
    return stepping(model, lambda: model.cross_entropy(x, y)[0])


def stepping(model: nn.Module, loss: Callable[[], Tensor]) -> Step:
    """The loss and all gradients."""

    def step() -> None:
        model.zero_grad(set_to_none=True)
        loss().backward()

    return step


def jax_scan(size: Size, unroll: int) -> Step | None:
    """A step of a scan in JAX; none where it is not installed."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return None
    x, y = (jnp.asarray(part.numpy()) for part in size.batch)
    H, K = size.H, size.K
    keys = jax.random.split(jax.random.key(0), 3)
    U = jax.nn.initializers.orthogonal()(keys[0], (H, H))
    if size.vanishing:
        U = jax.random.uniform(keys[0], (H, H), minval=-1, maxval=1) / H**0.5
    W, V = jax.random.normal(keys[1], (K, H)) / H, jax.random.normal(keys[2], (H, 10 if size.last else K)) / H

    def loss(weights, x, y):
        W, U, V = weights
        Wx = x.transpose(1, 0, 2) @ W if size.last else W[x.T]

        def step(h, Wx_t):
            h = jnp.tanh(h @ U + Wx_t)
            return h, None if size.last else h

        h_T, h = jax.lax.scan(step, jnp.zeros((size.B, H)), Wx, unroll=unroll)
        z, answers = (h_T @ V, y) if size.last else ((h @ V).reshape(-1, K), y.T.reshape(-1))
        return -jnp.take_along_axis(jax.nn.log_softmax(z), answers[:, None], 1).mean()

    made = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(made((W, U, V), x, y))


def contenders(size: Size) -> dict[str, Step]:
    """Everyone, by name; nn.RNN is what the others are held against."""
    steps: dict[str, Step | None] = {"nn.RNN": theirs(size, nn.RNN)}
    if not size.last and size.K <= 256:
        steps["nn.RNN, one-hot"] = theirs(size, nn.RNN, one_hot=True)
    steps |= {"nn.LSTM": theirs(size, nn.LSTM), "nn.GRU": theirs(size, nn.GRU)}
    for engine in ("reference", "torch", "native"):
        if engine != "native" or not native.obstacle(torch.zeros(1)):
            steps[f"vanilla, {engine}"] = ours(size, VanillaRNN, engine=engine)
    steps |= {"lstm_native": ours(size, NativeLSTM), "gru_native": ours(size, NativeGRU)}
    for unroll in (1, 8):
        steps[f"jax scan, unroll {unroll}"] = jax_scan(size, unroll)
    return {name: step for name, step in steps.items() if step}


def product(n: int = 768) -> tuple[Step, float]:
    """A large product, and its floating-point operations."""
    a, b, out = torch.rand(n, n), torch.rand(n, n), torch.empty(n, n)

    def step() -> None:
        with fast_products:
            torch.mm(a, b, out=out)

    return step, 2 * n**3


def measure(size: Size, seconds: float, clock: Callable[[], float]) -> dict[str, object]:
    """Milliseconds, ratios and shares of the floor of all contenders."""
    steps, (multiply, flops) = contenders(size), product()
    for step in steps.values():
        step()
        step()
    taken: dict[str, list[float]] = {name: [] for name in (*steps, "product")}
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(taken["product"]) < 7:
        for name in random.sample(list(taken), len(taken)):
            begun = clock()
            steps.get(name, multiply)()
            taken[name].append(clock() - begun)
    rate = flops / statistics.quantiles(taken["product"], n=10)[0]
    floor = size.flops / rate
    rows = {
        name: {
            "ms": 1e3 * statistics.median(taken[name]),
            "times_rnn": statistics.median(a / b for a, b in zip(taken["nn.RNN"], taken[name], strict=True)),
            "of_floor": floor / statistics.median(taken[name]),
        }
        for name in steps
    }
    return {**asdict(size), "turns": len(taken["product"]), "gflops": rate / 1e9, "floor_ms": 1e3 * floor, "rows": rows}


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", default=list(SIZES), help=f"of {', '.join(SIZES)}; all by default")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each size")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--denormals", action="store_true", help="keep numbers too small to be normal, unlike runs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(not given.denormals)
    clock = time.process_time if given.threads == 1 else time.perf_counter
    print(
        f"{processor.name()}, {given.threads} thread, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, "
        f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    )
    found = []
    for name in given.sizes:
        result = measure(SIZES[name], given.seconds, clock)
        found.append(result)
        size = SIZES[name]
        print(
            f"\n{name}: B {size.B}, T {size.T}, H {size.H}, K {size.K}; {result['turns']} turns; "
            f"floor {result['floor_ms']:.2f} ms at {result['gflops']:.0f} GFLOP/s"
        )
        print(f"  {'':<22}{'ms':>9}{'× nn.RNN':>10}{'of floor':>10}")
        for contender, row in result["rows"].items():  # type: ignore[attr-defined]
            print(f"  {contender:<22}{row['ms']:>9.2f}{row['times_rnn']:>10.2f}{row['of_floor']:>10.2f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
