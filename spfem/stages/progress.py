"""Progress bars of learning."""

from __future__ import annotations

from tqdm.auto import tqdm

from spfem.training import Progress


def show_progress(name: str) -> Progress:
    """Wrapper of a step loop that shows a bar with the name of what is learned."""
    return lambda steps: tqdm(steps, desc=name, mininterval=5)
