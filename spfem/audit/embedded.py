"""Three clips of the embedded corpus in the place of published ones, results by our own methods."""

from __future__ import annotations

from pathlib import Path

from spfem.audit.folder import REFERENCE, SOURCE, PublishedClip
from spfem.results import clips_by_key, protocol, result_video, score_method
from spfem.workspace import Workspace

CLIPS = 3


def embedded_clips(workspace: Workspace, seed: int = 0) -> list[PublishedClip]:
    """Edits of the main results, with the unchanged source and the truth as two more panels.

    The copy and the truth calibrate every number: what is given for doing nothing, and for doing
    it right.

    Args:
        workspace: edits of its methods are made if they are missing.
        seed: of the methods' training.

    Returns:
        Three edits spread over actors and emotions, each within one person, neutral left out.
    """
    methods = workspace.scale.methods
    for method in methods:
        score_method(workspace, method, seed)
    known = clips_by_key(workspace)
    edits = [
        edit
        for edit in protocol(workspace)
        if edit.setting == "intra" and edit.emotion != "neutral"
    ]
    step = max(1, (len(edits) - 1) // (CLIPS - 1)) if len(edits) >= CLIPS else 1
    clips = []
    for edit in edits[::step][:CLIPS]:
        source = known[edit.source]
        videos: dict[str, Path] = {SOURCE: source.video, REFERENCE: known[edit.reference].video}
        videos |= {method: result_video(workspace, method, seed, edit) for method in methods}
        truth = source.counterpart(edit.emotion)[0]
        videos |= {"copy": source.video} | ({"truth": truth} if truth.is_file() else {})
        clips.append(PublishedClip(edit.name, "reference", edit.emotion, videos))
    return clips
