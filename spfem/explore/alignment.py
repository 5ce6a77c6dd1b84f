"""Which frames of two clips say the same, by their sound."""

from __future__ import annotations

from spfem.explore.clips import ExploredClip, ExploredPair
from spfem.pairing.dtw import align_sequences
from spfem.pairing.features import alignment_features
from spfem.settings import PairingSettings


def align_waveforms(
    first: ExploredClip, second: ExploredClip, settings: PairingSettings
) -> ExploredPair:
    """Pair two clips by dynamic time warping of their sound, as the pairing stage does.

    Clips may have different frame rates. A clip with itself gives the diagonal.
    """
    features = [alignment_features(clip.waveform, clip.fps, settings) for clip in (first, second)]
    alignment = align_sequences(features[0], features[1])
    inside = (alignment.path < (len(first.faces), len(second.faces))).all(axis=1)
    path = alignment.path[inside]
    return ExploredPair(first, second, path, doubt(alignment.normalised_cost, settings))


def doubt(cost: float, settings: PairingSettings) -> str:
    """What to say of an alignment of a mean cost; nothing of one that can be trusted."""
    if settings.trusts(cost):
        return ""
    return (
        f"The sounds hardly fit (cost {cost:.1f}, trusted up to {settings.maximum_cost:.1f}): "
        "do both clips say the same words?"
    )
