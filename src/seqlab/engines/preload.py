"""What the fork server of a local sweep imports, once for all runs."""

from __future__ import annotations

from seqlab.imports import importing

with importing():
    import seqlab.experiment
    import seqlab.packs  # noqa: F401
