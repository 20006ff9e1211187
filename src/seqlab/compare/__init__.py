"""From run folders to an answer. Reads files only: no torch, no account, no network."""
