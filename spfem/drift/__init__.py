"""Whether the results of a fresh run are still those that were committed."""
