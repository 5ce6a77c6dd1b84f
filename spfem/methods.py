"""The methods that are trained and compared: NED alone, and supervised by correlation metrics."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.errors import SettingsError


@dataclass(frozen=True)
class Method:
    """What supervises the manipulator and the renderer of a method beside NED's own losses."""

    name: str  # as in tables and folders
    title: str  # as in figures
    spatial: bool = False  # the spatial metric does (ASCCL)
    temporal: tuple[str, ...] = ()  # metrics on windows of frames that do (STCCL)
    paired: bool = False  # retrieved pairs and the cross-modal metric do (SCMCL)

    @property
    def supervised(self) -> bool:
        """Whether anything is added to NED."""
        return self.spatial or self.paired or bool(self.temporal)


# The joint metrics would count the spatial part three times.
_BOTH = ("temporal_vd", "temporal_cm")
_ALL = (
    Method("ned", "NED"),
    Method("ned+asccl", "NED + ASCCL", spatial=True),
    Method("ned+stccl_vd", "NED + STCCL-VD", temporal=("spatial_temporal_vd",)),
    Method("ned+stccl_cm", "NED + STCCL-CM", temporal=("spatial_temporal_cm",)),
    Method("ned+scmcl", "NED + SCMCL", paired=True),
    Method("ned+all", "NED + all", spatial=True, temporal=_BOTH, paired=True),
)
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
