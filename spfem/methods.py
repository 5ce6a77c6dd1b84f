"""The methods that are trained and compared: NED alone, and supervised by correlation metrics."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.errors import SettingsError

PICTURE_LOSSES = (
    "spatial",
    "spatial_untrained",
    "identity",
    "spatial_temporal_vd",
    "spatial_temporal_cm",
    "temporal_vd",
    "temporal_cm",
)
"""What compares pictures: metrics, and two controls of the spatial one."""


@dataclass(frozen=True)
class Method:
    """What supervises the manipulator and the renderer of a method beside NED's own losses."""

    name: str  # as in tables and folders
    title: str  # as in figures
    pictures: tuple[str, ...] = ()  # of `PICTURE_LOSSES`: ASCCL, STCCL and controls
    paired: bool = False  # retrieved pairs and the cross-modal metric do (SCMCL)
    released_form: bool = False  # as the code does: the renderer alone, against its own truth
    bases: tuple[str, ...] = ("moved", "ned")  # renderers that show its edits

    @property
    def supervised(self) -> bool:
        """Whether anything is added to NED."""
        return self.paired or bool(self.pictures)

    @property
    def spatial(self) -> bool:
        """Whether the learned spatial metric supervises."""
        return "spatial" in self.pictures

    @property
    def temporal(self) -> tuple[str, ...]:
        """The metrics of windows that supervise."""
        return tuple(name for name in self.pictures if "temporal" in name)


# The joint metrics would count the spatial part three times.
_ALONE = ("spatial", "temporal_vd", "temporal_cm")
_ALL = (
    Method("ned", "NED"),
    Method("ned+asccl", "NED + ASCCL", ("spatial",)),
    Method("ned+stccl_vd", "NED + STCCL-VD", ("spatial_temporal_vd",)),
    Method("ned+stccl_cm", "NED + STCCL-CM", ("spatial_temporal_cm",)),
    Method("ned+scmcl", "NED + SCMCL", paired=True),
    Method("ned+all", "NED + all", _ALONE, paired=True),
    Method("ned+untrained", "NED + untrained metric", ("spatial_untrained",)),
    Method("ned+identity", "NED + identity features", ("identity",)),
    Method(
        "ned+asccl_released", "NED + ASCCL as released", ("spatial",), released_form=True,
        bases=("ned",),
    ),
)  # fmt: skip
METHODS = {method.name: method for method in _ALL}
"""By name, in the order of the tables; those add `copy` before and `truth` after."""


def find_method(name: str) -> Method:
    """The method of a name.

    Raises:
        SettingsError: if the name is unknown.

    Example:
        >>> find_method("ned+asccl").title
        'NED + ASCCL'
    """
    if name not in METHODS:
        raise SettingsError(f"method {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]
