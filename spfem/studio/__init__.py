"""The studio that films the embedded corpus: who acts, speaks and moves, and how it is drawn."""
