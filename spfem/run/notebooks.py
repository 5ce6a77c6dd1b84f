"""Runs the numbered notebooks in order through papermill; what is unchanged is not run again."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spfem.corpus.folder import walk_folder
from spfem.errors import SettingsError, SpfemError
from spfem.files import alone, digest, file_digest, project_folder, write_json
from spfem.run.agreement import agreement_in_words
from spfem.run.corpora import CorpusChoice, choose_corpus
from spfem.run.deciding_code import package_digest
from spfem.run.report import (
    PAGE_NAME,
    captions_of_run,
    freeze_notebook,
    own_kernel,
    write_notebook_page,
    write_report,
)
from spfem.run.workspace import RUNS_FOLDER, choose_device, merge_manifest
from spfem.scales import load_scale

CELL_TIMEOUT_SECONDS = 7200
ABLATIONS = "ablations"  # parameter of the one notebook that makes them, and how its name ends


@dataclass(frozen=True)
class RunSettings:
    """What `run_all.sh` was asked for."""

    scale: str = "demo"
    corpus: str = "synthetic"
    data: Path = Path("data")
    figures: Path = Path("figures")
    device: str = "auto"
    only: str | None = None
    start: str | None = None  # the first notebook's number, `--from`
    force: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    ablations: bool = False  # also learn what the ablation tables lack


def list_notebooks(folder: Path) -> list[Path]:
    """The numbered notebooks in order.

    Raises:
        SettingsError: if there is none.
    """
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise SettingsError(f"{folder} holds no numbered notebook; run from the checkout of spfem")
    return found


def choose_notebooks(notebooks: Sequence[Path], only: str | None, start: str | None) -> list[Path]:
    """Notebooks asked for by number (`--only 03`, `--from 03`).

    Raises:
        SettingsError: if no notebook has that number.
    """
    numbers = [path.name[:2] for path in notebooks]
    for option, number in (("--only", only), ("--from", start)):
        if number is not None and number.zfill(2) not in numbers:
            raise SettingsError(
                f"{option} {number}: there is no such notebook; numbers are {', '.join(numbers)}"
            )
    if only is not None:
        return [path for path in notebooks if path.name[:2] == only.zfill(2)]
    return [path for path in notebooks if start is None or path.name[:2] >= start.zfill(2)]


def _check_parameters(notebooks: Sequence[Path], parameters: Mapping[str, Any]) -> None:
    """Refuse a parameter that some notebook does not declare (papermill only warns)."""
    import papermill

    for path in notebooks:
        declared = papermill.inspect_notebook(str(path))
        for name in parameters:
            if name not in declared:
                raise SettingsError(
                    f"parameter {name!r} is not one of {path.name}: {', '.join(sorted(declared))}"
                )


def _own_parameters(path: Path, settings: RunSettings) -> dict[str, Any]:
    """Parameters that only this notebook has."""
    makes_ablations = settings.ablations and path.stem.endswith(f"_{ABLATIONS}")
    return {ABLATIONS: True} if makes_ablations else {}


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _code(path: Path) -> list[str]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells]


def _is_done(record: Path, key: str, figures: Path) -> bool:
    """Whether a notebook ran with this key and all that it made is still there."""
    if not record.exists():
        return False
    done = json.loads(record.read_text("utf-8"))
    if done["key"] != key:
        return False
    return all(
        (figures / name).exists() and file_digest(figures / name) == wanted
        for name, wanted in done["files"].items()
    )


def _execute(path: Path, executed: Path, parameters: Mapping[str, Any]) -> None:
    """Run one notebook; the executed copy appears whole, or as `failed_<name>` with the error."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    failed = executed.with_name(f"failed_{executed.name}")
    failed.unlink(missing_ok=True)
    aside = executed.with_name(f".running_{executed.name}")
    root = project_folder()
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        with own_kernel() as kernel:
            papermill.execute_notebook(
                path.relative_to(root).as_posix() if root == Path.cwd() else str(path),
                str(aside),
                parameters=dict(parameters),
                cwd=str(path.parent),  # as JupyterLab does; `studies` is found there
                execution_timeout=CELL_TIMEOUT_SECONDS,
                kernel_name=kernel,
            )
    except DeadKernelError as error:
        aside.replace(failed)
        raise SpfemError(
            f"{path.name}: its Python process died, often for want of memory; close other programs "
            f"and go on with: bash run_all.sh --from {path.name[:2]}"
        ) from error
    except PapermillExecutionError as error:
        aside.replace(failed)
        raise SpfemError(
            f"{path.name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"  the notebook with the error: {failed}\n"
            f"  run it again with: bash run_all.sh --only {path.name[:2]}"
        ) from error
    freeze_notebook(aside)
    captions = captions_of_run(path.stem, executed.parent.parent, path.parent)
    write_notebook_page(aside, executed.with_suffix(".html"), captions)
    aside.replace(executed)


def reproduce(settings: RunSettings) -> None:
    """Run the notebooks that are asked for, print what was made and where.

    Two runs of one corpus and scale wait for each other; others work side by side.

    Raises:
        SettingsError: for an unknown value, before anything runs.
        SpfemError: when a notebook fails; the message says how to go on.
    """
    load_scale(settings.scale)
    device = choose_device(settings.device)
    root = project_folder()
    corpus = choose_corpus(settings.corpus, root / settings.data, root)
    notebooks = list_notebooks(root / "notebooks")
    chosen = choose_notebooks(notebooks, settings.only, settings.start)
    parameters: dict[str, Any] = {
        "scale": settings.scale,
        "corpus": settings.corpus,
        "data": str(settings.data),
        "figures": str(settings.figures),
        "device": device,
        **{name: _parse(value) for name, value in settings.parameters},
    }
    _check_parameters(chosen, parameters)
    run = f"{corpus.name}-{settings.scale}"
    notice = f"another run makes {run}; this one begins when it ends"
    with alone(root / settings.data / run, kind="run", notice=notice):
        _run(settings, notebooks, chosen, parameters, root / settings.figures / run, corpus)


def _run(
    settings: RunSettings,
    notebooks: Sequence[Path],
    chosen: Sequence[Path],
    parameters: Mapping[str, Any],
    results: Path,
    corpus: CorpusChoice,
) -> None:
    root = project_folder()
    started = time.perf_counter()
    base = digest(
        [
            package_digest(),
            parameters,
            file_digest(root / "pyproject.toml"),
            walk_folder(corpus.recordings).digest() if corpus.recordings else "",
        ]
    )
    keys: dict[str, str] = {}
    chain = base
    for path in notebooks:
        chain = keys[path.stem] = digest([chain, _code(path)])
        if own := _own_parameters(path, settings):  # of no concern to the notebooks after it
            keys[path.stem] = digest([chain, own])
    for number, path in enumerate(chosen, 1):
        label = f"[{number}/{len(chosen)}] {path.stem}"
        record = results / RUNS_FOLDER / "done" / f"{path.stem}.json"
        if not settings.force and _is_done(record, keys[path.stem], results):
            print(f"{label}: unchanged", flush=True)
            continue
        print(f"{label} ...", flush=True)
        begun = time.perf_counter()
        executed = results / "notebooks" / path.name
        _execute(path, executed, {**parameters, **_own_parameters(path, settings)})
        print(f"{label}: {time.perf_counter() - begun:.0f} s", flush=True)
        run = results / RUNS_FOLDER / f"{path.stem}.json"
        files = json.loads(run.read_text("utf-8"))["files"] if run.exists() else []
        made = {row["file"]: row["digest"] for row in files}
        for output in (executed, executed.with_suffix(".html")):
            made[output.relative_to(results).as_posix()] = file_digest(output)
        write_json(record, {"key": keys[path.stem], "files": made})
    manifest = merge_manifest(results, keys)
    write_report(results, root / "notebooks")
    _print_summary(results, manifest, time.perf_counter() - started)


def _print_summary(results: Path, manifest: Path, seconds: float) -> None:
    files = json.loads(manifest.read_text("utf-8"))
    print(f"\nAll done in {seconds:.0f} s. {len(files)} result files in {results}")
    for kind, suffix in (("tables", ".csv"), ("figures", ".png"), ("videos", ".mp4")):
        wanted = [
            name
            for name in files
            if name.endswith(suffix) and (suffix != ".csv" or name.startswith("tables/"))
        ]
        for name in wanted:
            print(f"  {kind[:-1]:7} {results / name}")
    print(f"  notebooks {results / 'notebooks'}")
    print(f"  manifest  {manifest}")
    print(f"  report    {results / PAGE_NAME}")
    print(f"  results   {agreement_in_words(results)}")
