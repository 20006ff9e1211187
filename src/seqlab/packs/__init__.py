"""Several runs in one process, whose nets are trained as one batched model.

Each is made as it would be alone: with its own trainer, callbacks, loggers, folder and checkpoints. What they do
together is their strides (``seqlab.strides``): their weights are stacked, their sequences lie beside each other.
"""

from seqlab.packs.pack import Pack

__all__ = ["Pack"]
