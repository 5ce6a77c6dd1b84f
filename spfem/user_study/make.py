"""Write a study: a folder to hand out, and the key to keep."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from spfem.artifacts import write_json, writing
from spfem.errors import InputError
from spfem.settings.study import StudySettings
from spfem.user_study.blind import copy_blinded, spoil
from spfem.user_study.clips import find_clips
from spfem.user_study.design import make_design

KEY_NAME = "key.json"
PAGE_FOLDER = "page"
TEMPLATE = Path(__file__).with_name("page.html")
SCRIPT = Path(__file__).with_name("page.js")


def make_study(
    clips: Sequence[str], out: Path, *, settings: StudySettings | None = None, seed: int = 0
) -> tuple[Path, Path]:
    """Write `page/` (index.html and blinded videos) and `key.json` below `out`.

    Args:
        clips: folders of videos, see `find_clips`.
        out: a new or empty folder.
        settings: default `StudySettings()`.
        seed: of the blinded names and the checks.

    Returns:
        The page to hand out, and the key to keep from participants.

    Raises:
        InputError: if the folder is in use, or videos are missing or damaged.
    """
    settings = StudySettings() if settings is None else settings
    found = find_clips(clips)
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; a study and its key need a folder of their own")
    design = make_design(found, settings, seed)
    page = out / PAGE_FOLDER
    try:
        for name, path in design.copies.items():
            copy_blinded(path, page / "videos" / f"{name}.mp4")
        for name, path in design.spoilt.items():
            spoil(path, page / "videos" / f"{name}.mp4", settings.check_blocks)
    except BaseException:
        shutil.rmtree(page, ignore_errors=True)
        raise
    write_json(out / KEY_NAME, design.key)
    # "<" is escaped so that no name can end the script.
    data = json.dumps(design.page, sort_keys=True).replace("<", "\\u003c")
    text = TEMPLATE.read_text("utf-8")
    text = text.replace("/*SCRIPT*/", SCRIPT.read_text("utf-8")).replace('"/*DATA*/"', data)
    with writing(page / "index.html") as aside:
        aside.write_text(text, encoding="utf-8")
    return page / "index.html", out / KEY_NAME
