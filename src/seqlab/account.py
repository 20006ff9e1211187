"""Whether a person has an account at Weights & Biases, found without asking anybody."""

from __future__ import annotations

import os
from netrc import NetrcParseError, netrc


def has_key() -> bool:
    """Whether a W&B API key is configured: in the environment, or in the netrc file where 'wandb login' puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        import wandb

        host = wandb.Settings().base_url.partition("://")[2].split("/")[0].split(":")[0]
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (FileNotFoundError, NetrcParseError, ImportError):
        return False
