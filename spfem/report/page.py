"""`index.html` of a folder of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spfem.artifacts import writing
from spfem.project import project_folder
from spfem.report.captions import NAMES, caption_of, facts_of, read_captions
from spfem.report.contents import Item, Section, read_contents
from spfem.report.headline import count_verdicts, read_headline
from spfem.report.links import PAGE_NAME, linkable
from spfem.report.settings_rows import settings_rows
from spfem.report.tables import read_shown, table_html

EXPLORER_NAME = "explorer.html"
TEMPLATE = Path(__file__).with_name("page.html")


def write_report(results: Path, notebooks: Path | None = None) -> Path:
    """Write `index.html` beside the manifest of a folder of results, whole or not at all.

    The page needs no network and no script; it links by relative paths to what exists only.

    Args:
        results: `figures/<corpus>-<scale>`.
        notebooks: folder of the notebooks and their captions; default that of the checkout.

    Returns:
        The page.

    Raises:
        InputError: if the manifest is missing or damaged.
    """
    from jinja2 import Environment, StrictUndefined

    notebooks = project_folder() / "notebooks" if notebooks is None else notebooks
    sections = read_contents(results, notebooks)
    captions = read_captions(notebooks)
    provenance = sections[-1].provenance if sections else {}
    corpus, scale = str(provenance.get("corpus", "")), str(provenance.get("scale", ""))
    digest, settings = settings_rows(scale)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = environment.from_string(TEMPLATE.read_text("utf-8")).render(
        name=results.resolve().name,
        explorer=next(iter(linkable(results, [EXPLORER_NAME])), ""),
        corpus=NAMES.get(corpus, corpus),
        scale=scale,
        headline={
            setting: table_html(columns, rows, f"Main results, {setting}")
            for setting, (columns, rows) in read_headline(results).items()
        },
        verdicts=count_verdicts(results),
        sections=[_section(section, captions, results) for section in sections],
        settings=table_html(["setting", "value"], settings, "Settings") if settings else "",
        settings_digest=digest,
    )
    page = results / PAGE_NAME
    with writing(page) as aside:
        aside.write_text(text, encoding="utf-8")
    return page


def _section(section: Section, captions: Mapping[str, str], results: Path) -> dict[str, Any]:
    row = section.provenance
    return {
        "stem": section.stem,
        "title": section.title,
        "pages": section.pages,
        "made": {
            key: row.get(key, "unknown") for key in ("commit", "settings", "device", "python")
        },
        "inputs": row.get("inputs", {}),
        "items": [_item(item, captions, results) for item in section.items],
    }


def _item(item: Item, captions: Mapping[str, str], results: Path) -> dict[str, Any]:
    shown = {
        "anchor": item.anchor,
        "title": item.title,
        "kind": item.kind,
        "files": item.files,
        "caption": caption_of(item, captions),
        "facts": facts_of(item, results),
        "table": "",
        "size": "",
    }
    if item.kind == "table":
        markdown = results / item.files[".md"] if ".md" in item.files else None
        columns, rows = read_shown(results / item.files[".csv"], markdown)
        shown["table"] = table_html(columns, rows, item.title)
    picture = item.files.get(".png") or item.files.get(".gif")
    if picture:
        from PIL import Image

        with Image.open(results / picture) as image:
            shown["size"] = f'width="{image.width}" height="{image.height}"'
    return shown
