"""Tasks: what the loss is, what else is measured, and what is carried from batch to batch."""
