"""Progress bars of learning."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tqdm.auto import tqdm


def show_progress(name: str) -> Callable[[Iterable[int]], Iterable[int]]:
    """Wrapper of a step loop that shows a bar with the name of what is learned."""
    return lambda steps: tqdm(steps, desc=name, mininterval=5)
