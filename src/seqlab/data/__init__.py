"""Data sets: they know the files and the split, and announce a spec."""
