"""Memories: each maps inputs and a state to hidden states and the next state, and knows nothing else."""
