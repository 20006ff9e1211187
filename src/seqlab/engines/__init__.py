"""Where the runs of a sweep are made, and how many at once."""
