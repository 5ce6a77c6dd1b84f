"""The methods that are compared, and the bases, the ways of turning codes into pictures.

All but `ned_published` go on from one manipulator, `Scale.manipulator`. At demo and full scale that
has this package's own form (an affine generator, learned from time-aligned counterparts): "NED" is
then NED's task, not its objective, and `ned_published`, in NED's form, calibrates what that gains.
At paper scale the shared manipulator has NED's published form itself, and there is no such row.
"""

from __future__ import annotations

from dataclasses import dataclass

from spfem.errors import SettingsError

BASES = ("moved", "ned")
"""`moved`: the codes move the source's own pixels; only the manipulator learns. `ned`: NED's
renderer draws them, adapted to each actor; it learns too."""

IDENTITY, UNTRAINED = "identity", "spatial_untrained"
PICTURE_LOSSES = (
    "spatial",  # ASCCL
    UNTRAINED,  # the same metric before learning: a control
    IDENTITY,  # plain features of a face recognition network: a control
    "spatial_temporal_vd",  # STCCL
    "spatial_temporal_cm",
    "temporal_vd",
    "temporal_cm",
)
"""What compares pictures, and so may supervise a method: metrics, and controls."""

NED, PUBLISHED = "ned", "ned_published"


@dataclass(frozen=True)
class Method:
    """What supervises the manipulator and the renderer of a method beside NED's own losses."""

    name: str  # as in tables and folders
    title: str  # as in figures
    pictures: tuple[str, ...] = ()  # of `PICTURE_LOSSES`
    paired: bool = False  # retrieved pairs and the cross-modal metric do (SCMCL)
    paired_pictures: bool = False  # the cross-modal metric holds the distances of moved pictures
    released_form: bool = False  # metrics hold a reconstruction to its own ground truth
    bases: tuple[str, ...] = BASES  # on which it differs from plain NED

    def __post_init__(self) -> None:
        for names, known in ((self.pictures, PICTURE_LOSSES), (self.bases, BASES)):
            for name in sorted(set(names) - set(known)):
                raise SettingsError(f"{name!r} of a method is none of {', '.join(known)}")

    @property
    def supervised(self) -> bool:
        """Whether anything is added to NED."""
        return self.paired or self.paired_pictures or bool(self.pictures)

    @property
    def manipulator(self) -> str:
        """Name of the method whose manipulator gives the codes: as released, NED's own."""
        return NED if self.released_form else self.name


# The joint metrics would count the spatial part three times.
_EVERYTHING = ("spatial", "temporal_vd", "temporal_cm")
_ALL = (
    Method(PUBLISHED, "NED, published form", bases=BASES[:1]),
    Method(NED, "NED"),
    Method("ned+asccl", "NED + ASCCL", ("spatial",)),
    Method("ned+stccl_vd", "NED + STCCL-VD", ("spatial_temporal_vd",)),
    Method("ned+stccl_cm", "NED + STCCL-CM", ("spatial_temporal_cm",)),
    Method("ned+scmcl", "NED + SCMCL", paired=True),
    Method(
        "ned+scmcl_pictures", "NED + SCMCL on pictures", paired=True, paired_pictures=True,
        bases=("moved",),
    ),
    Method("ned+all", "NED + all", _EVERYTHING, paired=True),
    Method("ned+untrained", "NED + untrained metric", ("spatial_untrained",)),
    Method("ned+identity", "NED + identity features", ("identity",)),
    Method(
        "ned+asccl_released", "NED + ASCCL as released", ("spatial",),
        released_form=True, bases=("ned",),
    ),
)  # fmt: skip
METHODS = {method.name: method for method in _ALL}
"""By name, in the order of the tables; those add `copy`, `random` and `habit` before and `truth`
after."""


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


def check_base(base: str) -> str:
    """The name of a base, if it is one (`SettingsError`)."""
    if base not in BASES:
        raise SettingsError(f"base {base!r} is unknown; choose one of {', '.join(BASES)}")
    return base
