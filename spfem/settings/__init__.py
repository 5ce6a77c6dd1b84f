"""Every default of spfem, once, as frozen dataclasses.

A `Scale` gathers the settings of all stages; `spfem.scales` holds the four of them.
Only the standard library is imported here, so that any stage may read its defaults cheaply.
"""

from spfem.settings.ablations import AblationSettings
from spfem.settings.data import EMOTIONS, CorpusSettings, FaceSettings, PairingSettings
from spfem.settings.lip_sync import LipSyncSettings
from spfem.settings.metrics import CrossModalSettings, SpatialSettings, TemporalSettings
from spfem.settings.networks import ManipulatorSettings, RendererSettings
from spfem.settings.reading import ReaderFilmSettings, ReaderSettings, ReadSettings
from spfem.settings.scale import EvaluationSettings, MovedPixelSettings, Scale
from spfem.settings.supervision import SupervisionSettings

__all__ = [
    "EMOTIONS",
    "AblationSettings",
    "CorpusSettings",
    "CrossModalSettings",
    "EvaluationSettings",
    "FaceSettings",
    "LipSyncSettings",
    "ManipulatorSettings",
    "MovedPixelSettings",
    "PairingSettings",
    "ReadSettings",
    "ReaderFilmSettings",
    "ReaderSettings",
    "RendererSettings",
    "Scale",
    "SpatialSettings",
    "SupervisionSettings",
    "TemporalSettings",
]
