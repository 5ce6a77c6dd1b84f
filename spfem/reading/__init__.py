"""Reads face units from what the tracker saw: a small network learned on films of exact truth."""
