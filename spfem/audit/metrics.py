"""What the audit measures, which way is better, and which of it the papers claim."""

from __future__ import annotations

from typing import NamedTuple


class AuditMetric(NamedTuple):
    """One number of a result panel.

    Attributes:
        title: for tables and figures.
        higher: whether higher is better; None where neither is.
        claim: what the papers report that it stands for; empty where they report nothing alike.
    """

    title: str
    higher: bool | None
    claim: str


METRICS: dict[str, AuditMetric] = {
    "mouth_correlation": AuditMetric("lip opening follows the source", True, "speech kept (LSE-D)"),
    "lip_shape_correlation": AuditMetric(
        "lip shape follows the source", True, "speech kept (LSE-D)"
    ),
    "jaw_correlation": AuditMetric("fitted jaw follows the source", True, "speech kept (LSE-D)"),
    "opening_when_closed": AuditMetric(
        "lips open while the source's are closed", False, "speech kept (LSE-D)"
    ),
    "sync_correlation": AuditMetric("lips with sound (proxy)", True, "speech kept (LSE-D)"),
    "csim": AuditMetric("CSIM with the source", True, "identity kept (CSIM)"),
    "identity_distance": AuditMetric(
        "identity distance to the source", False, "identity kept (CSIM)"
    ),
    "towards_reference": AuditMetric(
        "expression change towards the reference, cosine", True, "emotion shown (FAD)"
    ),
    "towards_label": AuditMetric(
        "expression change towards the label, cosine", True, "emotion shown (FAD)"
    ),
    "change_size": AuditMetric("size of the expression change", None, ""),
    "reference_strength": AuditMetric("share of the way to the reference", None, ""),
    "mouth_amplitude": AuditMetric("lip movement, by the source's", None, ""),
    "head_correlation": AuditMetric("head turns with the source", None, ""),
    "flicker": AuditMetric("flicker of skin, by the source's", False, ""),
    "flicker_by_detail": AuditMetric("flicker by fine detail, by the source's", False, ""),
    "sharpness": AuditMetric("fine detail of skin, by the source's", None, ""),
}
COMPARED = tuple(name for name, metric in METRICS.items() if metric.higher is not None)
"""Metrics in which methods can be better or worse."""
