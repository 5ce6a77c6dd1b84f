"""Our pairing of MEAD beside the released one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spfem.pairing.compare import compare_pairings
from spfem.pairing.index import pair_corpus
from spfem.pairing.released_paths import FILE_NAME
from spfem.stages.data import make_corpus
from spfem.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


def compare_with_released_pairs(workspace: Workspace) -> pd.DataFrame | None:
    """`compare_pairings` of our pairs and those of `data/optional/aligned_path36.json`.

    None where the corpus is not MEAD or the file is not there.

    Raises:
        InputError: if the file is damaged or belongs to other clips.
    """
    file = workspace.data.parent / "optional" / FILE_NAME
    if workspace.corpus != "mead" or not file.is_file():
        return None
    corpus, settings = make_corpus(workspace), workspace.scale.pairing
    pairings = [
        pair_corpus(corpus, workspace.stage_folder(folder), replace(settings, paths_file=paths))
        for folder, paths in (("pairs_by_sound", None), ("pairs_released", str(file)))
    ]
    return compare_pairings(pairings[0].pairs, pairings[1].pairs)
