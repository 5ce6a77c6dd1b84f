"""Three clips of the embedded corpus in the place of published ones, results by our own methods."""

from __future__ import annotations

from pathlib import Path

from spfem.audit.folder import REFERENCE, SOURCE, PublishedClip
from spfem.stages.edits import clips_by_key, make_edits, protocol
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
    made = {method: make_edits(workspace, method, seed) for method in workspace.scale.methods}
    known = clips_by_key(workspace)
    chosen = [edit for edit in protocol(workspace) if edit.setting == "intra"]
    chosen = [edit for edit in chosen if edit.emotion != "neutral"]
    actors = list(dict.fromkeys(edit.actor for edit in chosen))
    clips = []
    for place in range(min(CLIPS, len(chosen))):
        own = [edit for edit in chosen if edit.actor == actors[place % len(actors)]]
        edit = own[2 * place % len(own)]
        source = known[edit.source]
        videos: dict[str, Path] = {SOURCE: source.video, REFERENCE: known[edit.reference].video}
        videos |= {method: edits.video(edit) for method, edits in made.items()}
        truth = source.counterpart(edit.emotion)[0]
        videos |= {"copy": source.video} | ({"truth": truth} if truth.is_file() else {})
        clips.append(PublishedClip(edit.name, "reference", edit.emotion, videos))
    return clips
