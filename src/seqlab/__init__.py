"""seqlab: a laboratory for recurrent sequence models.

data → spec → cell → model → task → trainer → run folder → compare
"""

__version__ = "0.1.0"
