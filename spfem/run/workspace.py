"""Where one run keeps its data and results, and the provenance of each result file.

A `Workspace` belongs to one corpus at one scale: stages live under `data/<corpus>-<scale>/`,
figures and tables under `figures/<corpus>-<scale>/`. Every saved file leaves a row for
`manifest.json`.

`manifest.json`: what made each result file of one corpus at one scale, and its caption.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spfem.errors import SettingsError
from spfem.files import digest, file_digest, project_folder, write_json
from spfem.processes import run_jobs
from spfem.run.artifacts import RECORD_NAME
from spfem.scales import DEVICES, Scale, load_scale

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from spfem.corpus.clips import Corpus


MANIFEST_NAME = "manifest.json"
RUNS_FOLDER = ".runs"


def merge_manifest(figures: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Write `manifest.json` and give it: one row a file, from the runs of all notebooks.

    Args:
        figures: folder of results of one corpus at one scale.
        digests: digest of each notebook (code, parameters, package), by name.
    """
    rows: dict[str, Any] = {}
    for path in sorted((figures / RUNS_FOLDER).glob("*.json")):
        run = json.loads(path.read_text("utf-8"))
        files = run.pop("files", None)
        run["inputs"] = _by_stage(run.get("inputs", {}))
        for row in files or ():
            if (figures / row["file"]).exists():
                rows[row["file"]] = {
                    **run,
                    "digest": row["digest"],
                    "caption": row.get("caption", ""),
                    "notebook_digest": digests.get(path.stem, ""),
                }
    write_json(figures / MANIFEST_NAME, rows)
    return rows


def _by_stage(inputs: Mapping[str, str]) -> dict[str, str]:
    """One digest for each stage, of all that it made: every row has them, and a run makes hundreds.

    The digests behind them are in the `artifact.json` of the stage folders.
    """
    stages: dict[str, list[list[str]]] = {}
    for name, made in sorted(inputs.items()):
        stages.setdefault(name.split("/")[0], []).append([name, made])
    return {
        stage: parts[0][1] if parts[0][0] == stage else digest(parts)
        for stage, parts in stages.items()
    }


REPORTED_PACKAGES = ("numpy", "torch", "mediapipe", "warp-lang", "opencv-python", "av")


def choose_device(name: str) -> str:
    """Return `cpu` or `cuda`; `auto` takes the GPU where there is one.

    Raises:
        SettingsError: if the name is unknown, or `cuda` is asked for and there is none.
    """
    import torch

    if name not in DEVICES:
        raise SettingsError(f"device {name!r} is unknown; choose one of {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device 'cuda' was asked for, but torch sees no GPU; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def git_commit(folder: Path) -> str:
    """Commit of the checkout, with `+` if files differ from it; `unknown` outside git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=10"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


@dataclass
class Workspace:
    """One corpus at one scale. Made by `open_workspace`."""

    corpus: str
    scale: Scale
    data: Path
    figures: Path
    corpus_root: Path
    device: str
    notebook: str
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    opened: list[Corpus] = field(default_factory=list, compare=False, repr=False)  # once complete

    def stage_folder(self, *names: str) -> Path:
        """Folder of a stage, such as `faces` or `manipulator/ned/seed0`."""
        return self.data.joinpath(*names)

    def save_figure(
        self, figure: Figure, name: str, data: pd.DataFrame | None = None, *, caption: str = ""
    ) -> None:
        """Save a figure as PDF and PNG, with the CSV of the data behind it, and note it.

        `caption` says in a sentence what is shown; corpus, scale and seeds are noted for it.
        """
        from spfem.plots import save_figure

        for path in save_figure(figure, self.figures, name, data):
            self.note_file(path, caption=caption)

    def save_table(
        self,
        table: pd.DataFrame,
        name: str,
        *,
        shown: pd.DataFrame | None = None,
        caption: str = "",
    ) -> None:
        """Save a table as `tables/<name>.csv`, `.tex` and `.md`, and note it.

        `shown` is what TeX and Markdown print instead, such as the layout of a paper.
        """
        from spfem.evaluation.tables import save_table

        for path in save_table(table, self.figures / "tables", name, shown=shown):
            self.note_file(path, caption=caption)

    def save_video(
        self,
        frames: Iterable[np.ndarray],
        name: str,
        fps: Fraction | int,
        *,
        audio_from: Path,
        comment: str,
    ) -> None:
        """Save frames (H, W, 3) as `videos/<name>.mp4` with the sound of a file, and note it."""
        from spfem.media.video import write_video

        path = self.figures / "videos" / f"{name}.mp4"
        write_video(path, frames, fps, audio_from=audio_from, comment=comment)
        self.note_file(path)

    def save_gif(self, frames: Iterable[np.ndarray], name: str, fps: Fraction | int) -> None:
        """Save frames (H, W, 3) as the looped picture `videos/<name>.gif`, and note it."""
        from spfem.panels import write_gif

        path = self.figures / "videos" / f"{name}.gif"
        write_gif(path, frames, fps)
        self.note_file(path)

    def note_file(self, path: Path, *, caption: str = "") -> None:
        """Note a file that lies below the figures folder, whoever wrote it."""
        row = {
            "file": path.relative_to(self.figures).as_posix(),
            "digest": file_digest(path),
            "caption": caption,
        }
        self.artifacts = [old for old in self.artifacts if old["file"] != row["file"]] + [row]

    def stage_records(self) -> dict[str, dict[str, Any]]:
        """The `artifact.json` of every stage made so far, by folder name."""
        places = (place for place, _, files in os.walk(self.data) if RECORD_NAME in files)
        return {
            place.relative_to(self.data).as_posix(): json.loads(
                (place / RECORD_NAME).read_text("utf-8")
            )
            for place in sorted(map(Path, places))
        }

    def finish(self) -> list[str]:
        """Write this notebook's rows for the manifest; return the files it made."""
        import torch

        inputs = {name: record["digest"] for name, record in self.stage_records().items()}
        write_json(
            self.figures / RUNS_FOLDER / f"{self.notebook}.json",
            {
                "made_by": f"notebooks/{self.notebook}.ipynb",
                "files": sorted(self.artifacts, key=lambda row: row["file"]),
                "inputs": inputs,
                "corpus": self.corpus,
                "scale": self.scale.name,
                "seeds": list(self.scale.seeds),
                "settings": digest(self.scale),
                "commit": git_commit(Path(__file__).parent),
                "python": platform.python_version(),
                "versions": {name: version(name) for name in REPORTED_PACKAGES},
                "device": self.device,
                "threads": torch.get_num_threads(),
                "seconds": round(time.perf_counter() - self.started, 2),
            },
        )
        return sorted(row["file"] for row in self.artifacts)


def open_workspace(
    notebook: str,
    *,
    corpus: str = "synthetic",
    scale: str = "demo",
    data: str | Path = "data",
    figures: str | Path = "figures",
    device: str = "auto",
) -> Workspace:
    """Open the workspace of a corpus at a scale.

    Args:
        notebook: name of the notebook that works in it, for the provenance.
        corpus: `synthetic`; `mead` or `ravdess`, with the recordings in `<data>/<corpus>`; or a
            folder with recordings of any kind, see `spfem.corpus.layouts`.
        scale: one of `spfem.scales.SCALES`.
        data: folder of generated data.
        figures: folder of results.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        SettingsError: if a value is unknown.
    """
    import pandas as pd
    import torch

    from spfem.run.corpora import choose_corpus

    settings = load_scale(scale)
    root = project_folder()
    data_path, figures_path = (root / data), (root / figures)
    corpus_name, recordings = choose_corpus(corpus, data_path, root)
    name = f"{corpus_name}-{scale}"
    if "OMP_NUM_THREADS" not in os.environ:  # the user's own choice counts
        torch.set_num_threads(max(1, min(8, (os.cpu_count() or 1) // settings.notebooks_at_once)))
    on_device = choose_device(device)
    _add_in_one_order(on_device == "cpu")
    workspace = Workspace(
        corpus_name,
        settings,
        data_path / name,
        figures_path / name,
        recordings or data_path / name / "corpus",
        on_device,
        notebook,
    )
    workspace.figures.mkdir(parents=True, exist_ok=True)
    pd.set_option("display.max_colwidth", None)  # notebooks show the words of a table whole
    return workspace


def _add_in_one_order(wanted: bool) -> None:
    """Let several threads meet the same digits in every run; of a GPU that is not asked.

    Without this, the gradient of picked rows is summed in the order in which threads arrive.
    Filling memory before use, torch's check for bugs that comes with it, is left out.
    """
    import torch

    torch.use_deterministic_algorithms(wanted)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def processes(workspace: Workspace) -> int:
    """As many as the face stage uses; one on a GPU, which processes would only fight for."""
    return workspace.scale.face.processes if workspace.device == "cpu" else 1


def gains_by_sharing(workspace: Workspace, jobs: Sequence[Any]) -> bool:
    """Whether jobs are done sooner side by side: several of them, and several `processes`."""
    return len(jobs) > 1 and processes(workspace) > 1


def work_off(
    workspace: Workspace, work: Callable[[Any], None], jobs: Sequence[Any], title: str
) -> None:
    """Do jobs in `processes`, with a progress bar."""
    from tqdm.auto import tqdm

    done = run_jobs(work, jobs, processes(workspace))
    for _ in tqdm(done, total=len(jobs), desc=title, disable=not jobs):
        pass
