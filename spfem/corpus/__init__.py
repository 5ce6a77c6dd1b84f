"""Clips: an actor says a sentence in an emotion; video and audio files, corpora."""
