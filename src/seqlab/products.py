"""Matrix products in single precision on processors for which PyTorch's own library has no good kernel.

PyTorch multiplies with MKL, which on AMD uses half as wide vectors as there are. oneDNN, which PyTorch has, too, uses
all of them, and PyTorch has a public switch that sends products there. On a processor with units for bfloat16 it would
also round: so the switch is tried once, and taken only if it does not.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from seqlab import processor

TOLERANCE = 1e-5
"""Of a product's error, relative to its largest element: between that of single precision and that of bfloat16."""


class FastProducts:
    """While it lasts, products go to oneDNN, where that is faster and as exact."""

    def __enter__(self) -> None:
        if faster_and_exact():
            switch.fp32_precision = "bf16"

    def __exit__(self, *_: object) -> None:
        if faster_and_exact():
            switch.fp32_precision = "none"


switch: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
fast_products = FastProducts()


@cache
def faster_and_exact() -> bool:
    """Whether this is an AMD processor with AVX-512, whose products come out of oneDNN in single precision."""
    amd = processor.told().get("vendor_id") == "AuthenticAMD"
    return amd and torch.backends.cpu.get_cpu_capability() == "AVX512" and error() < TOLERANCE


def error() -> float:
    """How far a product by the switch is from the same in double precision, relative to its largest element."""
    randomness = torch.Generator().manual_seed(0)
    a, b = (torch.rand(256, 256, generator=randomness) + 0.1 for _ in range(2))
    switch.fp32_precision = "bf16"
    try:
        found = (a @ b).double()
    finally:
        switch.fp32_precision = "none"
    exact = a.double() @ b.double()
    return float((found - exact).abs().max() / exact.abs().max())
