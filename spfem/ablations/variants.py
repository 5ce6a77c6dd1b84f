"""What an ablation table is made of: variants that differ from the default in one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from spfem.errors import SettingsError

DEFAULT = "default"


@dataclass(frozen=True)
class Variant:
    """One row of an ablation table.

    Attributes:
        name: in tables and figures; folders are named after it.
        component: the part of the paper that is changed, for example `adaptive weights`.
        what: the change in words.
        changes: of the settings that learn, for `dataclasses.replace`.
        against: name of the variant that it is compared with.
    """

    name: str
    component: str
    what: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str = DEFAULT


@dataclass(frozen=True)
class Quantity:
    """What variants are measured by.

    Attributes:
        label: for figures and tables.
        better: 1 where higher is better, -1 where lower is, 0 where neither is.
        ranks: the value is the chance that a right score exceeds a wrong one (AUC), not a mean.
        wins_of: the value is how often the right score exceeds the wrong one of the same
            observation, from the scores of this quantity.
        factor: by which a mean is multiplied to be read easily, 100 for percent.
    """

    label: str
    better: int
    ranks: bool = False
    wins_of: str = ""
    factor: float = 1.0


class _Named(Protocol):
    @property
    def name(self) -> str:
        """Of the variant."""

    @property
    def against(self) -> str:
        """Name of the variant that it is compared with."""


V = TypeVar("V", bound=_Named)


def find_variant(variants: Sequence[V], name: str) -> V:
    """The variant of a name.

    Raises:
        SettingsError: if there is none.
    """
    for variant in variants:
        if variant.name == name:
            return variant
    known = ", ".join(variant.name for variant in variants)
    raise SettingsError(f"there is no variant {name!r}; choose one of {known}")


def first_variants(variants: Sequence[V], count: int | None) -> tuple[V, ...]:
    """The first `count` variants (None: all), and those that they are compared with."""
    kept = variants[:count]
    needed = {variant.against for variant in kept} | {variant.name for variant in kept}
    return tuple(variant for variant in variants if variant.name in needed)
