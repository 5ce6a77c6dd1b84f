"""Results that are kept for as long as they fit, the most recently used ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Values by key; the least recently used are dropped, the newest is always kept.

    Args:
        limit: most that the kept values may measure together.
        measure: size of a value; by default each counts 1.
    """

    def __init__(self, limit: int, measure: Callable[[Value], int] = lambda _: 1) -> None:
        self.limit, self.measure = limit, measure
        self.size = 0  # what the kept values measure together
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made if it is not there."""
        if key not in self._kept:
            made = self._kept[key] = make()
            self.size += self.measure(made)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self.size > self.limit:
            self.size -= self.measure(self._kept.popitem(last=False)[1])
        return self._kept[key]
