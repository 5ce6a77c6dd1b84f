"""Our steps timed against plain implementations of the released ones, in one run."""
