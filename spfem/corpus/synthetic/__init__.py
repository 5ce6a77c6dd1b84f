"""The embedded corpus: synthesised talking heads with exact truth."""
