"""Runs the numbered notebooks through papermill; what is unchanged is not run again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path, PurePosixPath
from typing import Any

from spfem.corpus.folder import walk_folder
from spfem.errors import SettingsError, SpfemError
from spfem.files import alone, digest, file_digest, project_folder, write_json
from spfem.processes import open_pool
from spfem.run.agreement import REFERENCE, compare_with_reference
from spfem.run.corpora import choose_corpus
from spfem.run.deciding_code import package_digest
from spfem.run.report import (
    PAGE_NAME,
    captions_of_run,
    freeze_notebook,
    own_kernel,
    write_notebook_page,
    write_report,
)
from spfem.run.workspace import MANIFEST_NAME, RUNS_FOLDER, choose_device, merge_manifest
from spfem.scales import load_scale

DIED = (
    "its Python process died, often for want of memory; close other programs and go on with: "
    "bash run_all.sh --from"
)
CELL_TIMEOUT_SECONDS = 7200
ABLATIONS = "ablations"  # parameter of the one notebook that makes them, and how its name ends
NEEDS = {
    "00": (), "01": ("00",), "02": ("01",), "03": ("01",), "04": ("03",), "05": ("04",),
    "06": ("03",), "07": ("05", "06"), "08": ("05", "06"), "09": ("05", "06"), "10": ("09",),
    "11": ("10",), "12": ("11",), "13": ("11",), "14": ("08", "12", "13"), "15": ("12", "13"),
    "16": ("11",), "17": ("11",), "18": ("11",),
}  # fmt: skip
"""Notebooks whose stages each takes, beside what those need; any other needs all before it."""


def choose_notebooks(folder: Path, only: str | None, start: str | None) -> tuple[list[Path], ...]:
    """All numbered notebooks in order, and those asked for by number (`--only 03`, `--from 03`).

    Raises:
        SettingsError: if there is none, or none of that number.
    """
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise SettingsError(f"{folder} holds no numbered notebook; run from the checkout of spfem")
    numbers = [path.name[:2] for path in found]
    for option, number in (("--only", only), ("--from", start)):
        if number is not None and number.zfill(2) not in numbers:
            raise SettingsError(
                f"{option} {number}: there is no such notebook; numbers are {', '.join(numbers)}"
            )
    first, last = (only or start or "00").zfill(2), (only or "99").zfill(2)
    return found, [path for path in found if first <= path.name[:2] <= last]


def _check_parameters(notebooks: Sequence[Path], parameters: Mapping[str, Any]) -> None:
    """Refuse a parameter that some notebook does not declare (papermill only warns)."""
    import papermill

    for path in notebooks:
        declared = papermill.inspect_notebook(str(path))
        for name in set(parameters) - set(declared):
            raise SettingsError(
                f"parameter {name!r} is not one of {path.name}: {', '.join(sorted(declared))}"
            )


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_done(record: Path, key: str, figures: Path) -> bool:
    """Whether a notebook ran with this key and all that it made is still there."""
    done = json.loads(record.read_text("utf-8")) if record.exists() else {}
    return done.get("key") == key and all(
        (figures / name).exists() and file_digest(figures / name) == wanted
        for name, wanted in done["files"].items()
    )


def _execute(path: Path, executed: Path, parameters: Mapping[str, Any], alone: bool) -> float:
    """Run one notebook and give its seconds.

    The executed copy appears whole, or as `failed_<name>` with the error. Only a notebook that
    runs `alone` shows a progress bar.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    begun = time.perf_counter()
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
                progress_bar=alone,
            )
    except DeadKernelError as error:
        aside.replace(failed)
        raise SpfemError(f"{path.name}: {DIED} {path.name[:2]}") from error
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
    return time.perf_counter() - begun


def reproduce(
    *,
    scale: str = "demo",
    corpus: str = "synthetic",
    data: Path = Path("data"),
    figures: Path = Path("figures"),
    device: str = "auto",
    only: str | None = None,
    start: str | None = None,
    force: bool = False,
    parameters: Sequence[tuple[str, str]] = (),
    ablations: bool = False,
) -> None:
    """Run the notebooks that are asked for, print what was made and where.

    Two runs of one corpus and scale wait for each other; others work side by side.

    The first options are those of `open_workspace`; `only` and `start` are numbers of notebooks,
    `parameters` are further ones of them, as text, and `ablations` makes the ablation tables too.

    Raises:
        SettingsError: for an unknown value, before anything runs.
        SpfemError: when a notebook fails; the message says how to go on.
    """
    at_once = load_scale(scale).notebooks_at_once
    root = project_folder()
    corpus_name, content = choose_corpus(corpus, root / data, root)
    notebooks, chosen = choose_notebooks(root / "notebooks", only, start)
    given: dict[str, Any] = {
        "scale": scale,
        "corpus": corpus,
        "data": str(data),
        "figures": str(figures),
        "device": choose_device(device),
        **{name: _parse(value) for name, value in parameters},
    }
    _check_parameters(chosen, given)
    name = f"{corpus_name}-{scale}"
    recordings = walk_folder(content).digest() if content else ""
    decides = [package_digest(), given, file_digest(root / "pyproject.toml"), recordings]
    results = root / figures / name
    keys, mine, chain = {}, {}, digest(decides)
    for path in notebooks:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        chain = keys[path] = digest([chain, ["".join(cell["source"]) for cell in cells]])
        mine[path] = given
        if ablations and path.stem.endswith(f"_{ABLATIONS}"):
            own = {ABLATIONS: True}  # of no concern to the notebooks after it
            keys[path], mine[path] = digest([chain, own]), {**given, **own}
    notice = f"another run makes {name}; this one begins when it ends"
    with alone(root / data / name, kind="run", notice=notice):
        started = time.perf_counter()
        stale = list(chosen)
        for path in chosen:
            record = results / RUNS_FOLDER / "done" / f"{path.stem}.json"
            if not force and _is_done(record, keys[path], results):
                print(f"{path.stem}: unchanged", flush=True)
                stale.remove(path)
        # What a part of the notebooks lacks, each would make for itself.
        at_once = at_once if chosen == notebooks else 1
        for path, seconds in _execute_all(stale, results, mine, at_once):
            print(f"{path.stem}: {seconds:.0f} s", flush=True)
            _note_done(path, keys[path], results)
        rows = merge_manifest(results, {path.stem: key for path, key in keys.items()})
        write_report(results, root / "notebooks")
        _print_summary(results, rows, time.perf_counter() - started)


def _execute_all(
    stale: Sequence[Path], results: Path, parameters: Mapping[Path, Any], at_once: int
) -> Iterator[tuple[Path, float]]:
    """Run notebooks, `at_once` of them side by side; give each with its seconds when it ends."""

    def work(path: Path) -> tuple[Path, Path, Any, bool]:
        print(f"[{stale.index(path) + 1}/{len(stale)}] {path.stem} ...", flush=True)
        return path, results / "notebooks" / path.name, parameters[path], at_once == 1

    if at_once == 1:
        for path in stale:
            yield path, _execute(*work(path))
        return
    waiting, running = list(stale), dict[Any, Path]()
    with open_pool(at_once) as pool:
        while waiting or running:
            left = {path.name[:2] for path in (*waiting, *running.values())}
            ready = [path for path in waiting if not left & _needed(path.name[:2], left)]
            for path in ready[: at_once - len(running)]:
                waiting.remove(path)
                running[pool.submit(_execute, *work(path))] = path
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                try:
                    seconds = future.result()
                except BrokenProcessPool:
                    raise SpfemError(f"{path.name}: {DIED} {path.name[:2]}") from None
                yield path, seconds


def _needed(number: str, left: set[str]) -> set[str]:
    """Which notebooks that are `left` must end before this one begins."""
    if number not in NEEDS:
        return {other for other in left if other < number}
    needs = set(NEEDS[number])
    return needs.union(*(_needed(each, left) for each in needs))


def _note_done(path: Path, key: str, results: Path) -> None:
    """Write down what a notebook made, for `_is_done`."""
    run = results / RUNS_FOLDER / f"{path.stem}.json"
    files = json.loads(run.read_text("utf-8"))["files"] if run.exists() else []
    made = {row["file"]: row["digest"] for row in files}
    executed = results / "notebooks" / path.name
    for output in (executed, executed.with_suffix(".html")):
        made[output.relative_to(results).as_posix()] = file_digest(output)
    write_json(results / RUNS_FOLDER / "done" / f"{path.stem}.json", {"key": key, "files": made})


def _print_summary(results: Path, files: Mapping[str, Any], seconds: float) -> None:
    print(f"\nAll done in {seconds:.0f} s. {len(files)} result files in {results}")
    for kind, pattern in (("table", "tables/*.csv"), ("figure", "*.png"), ("video", "*.mp4")):
        for name in (name for name in files if PurePosixPath(name).match(pattern)):
            print(f"  {kind:7} {results / name}")
    print(f"  notebooks {results / 'notebooks'}")
    print(f"  manifest  {results / MANIFEST_NAME}")
    print(f"  report    {results / PAGE_NAME}")
    reference = project_folder() / REFERENCE / results.name
    print(f"  results   {compare_with_reference(results, reference)}")
