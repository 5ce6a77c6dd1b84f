"""A bare install is enough for metrics, networks and weights; the rest says what it lacks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution, distributions, packages_distributions
from pathlib import Path

import pytest

from spfem.doctor import canonical
from spfem.errors import MODULES, missing_package
from tests.conftest import ROOT, imported_modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
HEAVY = (
    "IPython", "anny", "anywidget", "ipywidgets", "librosa", "matplotlib", "mediapipe",
    "numba", "pandas", "papermill", "scipy", "seaborn", "sklearn", "warp",
)  # fmt: skip
USER_SUPPLIED = {"_typeshed", "onnxruntime"}  # types only; for the user's own ArcFace

USE = """
from collections import namedtuple
import numpy as np, torch
from spfem.correlation import CrossModalCoherence, SpatialCoherence, SpatialTemporalCoherence
from spfem.head.names import FACE_UNIT_NAMES
from spfem.manipulator import label_style, manipulate, pretrained_manipulator
from spfem.reading.reader import Evidence, RestingFace
from spfem.reading.reader import OFFSET_COUNT, FaceReader
from spfem.renderer.networks import new_renderer
from spfem.renderer.moved import MovedRenderer
from spfem.settings import RendererSettings
from spfem.settings import SKIN_LAYER

torch.manual_seed(0)
units = len(FACE_UNIT_NAMES)

def gradient(metric, generated, *others):
    generated.requires_grad_()
    loss = metric(generated, *others)
    loss.backward()
    assert torch.isfinite(loss) and generated.grad.abs().sum() > 0, metric
    print("gradient", type(metric).__name__)

picture = lambda *size: torch.rand(*size, 3, 40, 40) * 2 - 1
gradient(SpatialCoherence.pretrained(), picture(2), picture(2))
gradient(SpatialCoherence.pretrained("speech"), picture(2), picture(2))
both = SpatialTemporalCoherence.pretrained()
gradient(both, picture(2, 5), picture(2, 5))
sound = CrossModalCoherence.pretrained()
window = sound.settings.frames
gradient(sound, torch.rand(2, window, units), torch.rand(2, window, units), torch.rand(2))

manipulator = pretrained_manipulator()
still = torch.zeros(20, units)
happy = manipulate(still, manipulator=manipulator, style=label_style(manipulator, 4, latents=4))
smile = [n for n, name in enumerate(FACE_UNIT_NAMES) if name.startswith("mouthSmile")]
assert happy[:, smile].mean() > 0.05
print("edited", tuple(happy.shape))

reader = FaceReader.pretrained()
calm = RestingFace(np.zeros(OFFSET_COUNT, np.float32), np.zeros(51, np.float32), neutral=True)
nothing = np.zeros((12, OFFSET_COUNT), np.float32)
seen = Evidence(nothing, np.zeros((12, 51), np.float32), np.zeros((12, 3), np.float32))
assert reader.read(seen, calm).shape == (12, units)

renderer = new_renderer(RendererSettings(width=8, blocks=1, discriminator_width=4), 0)
side, frames = renderer.settings.image_size, renderer.settings.window_frames
windows = torch.rand(1, frames, renderer.settings.condition_channels, side, side)
windows[:, :, -1] = 1
with torch.no_grad():
    drawn = renderer.generator(windows)
assert drawn.shape == (1, 3, side, side) and torch.isfinite(drawn).all()
print("drawn", tuple(drawn.shape))

# A square of two triangles; a gradient of grey moves three pixels to the right with it.
corners = torch.tensor([[[16., 16, 0], [80, 16, 0], [16, 80, 0], [80, 80, 0]]])
triangles = torch.tensor([[0, 1, 2], [1, 3, 2]], dtype=torch.int32)

Raster = namedtuple('Raster', 'face barycentric depth')

def draw(points, triangles, height, width):
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    face = torch.full((1, height, width), -1, dtype=torch.int32)
    weights = torch.zeros(1, height, width, 3)
    for number, triangle in enumerate(triangles.long()):
        a, b, c = points[0, triangle, :2]
        span = torch.stack([b - a, c - a], 1)
        v, w = torch.linalg.inv(span) @ torch.stack([x - a[0], y - a[1]]).flatten(1)
        place = torch.stack([1 - v - w, v, w], -1).view(height, width, 3)
        inside = (place >= 0).all(-1)
        face[0][inside], weights[0][inside] = number, place[inside]
    depth = torch.where(face >= 0, 0.0, torch.inf)
    return Raster(face, weights, depth)

mover = MovedRenderer(
    triangles, torch.full((2,), SKIN_LAYER), torch.zeros(2), corners[0, :, 1] < 48, draw
)
grey = (torch.arange(96.0) * 2).expand(1, 3, 96, 96)
moved = mover(grey, corners, corners + torch.tensor([3.0, 0, 0]), 60.0)
inside = (..., slice(30, 66), slice(30, 66))
assert (moved[inside] - (grey[inside] - 6)).abs().max() < 0.5, moved[0, 0, 48]
print("moved", tuple(moved.shape))
"""


def _link_dependencies(folder: Path) -> None:
    """A folder with torch, numpy, safetensors and what those need, linked from this environment."""
    todo, done = ["torch", "numpy", "safetensors"], set()
    while todo:
        package = distribution(todo.pop())
        name = canonical(package.metadata["Name"])
        if name in done:
            continue
        done.add(name)
        needs = [each for each in package.requires or [] if ";" not in each]
        todo += [re.split(r"[<>=!~ \[(]", each)[0] for each in needs]
        for top in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            place = Path(str(package.locate_file(top)))
            if place.exists() and place.suffix != ".pth":
                (folder / top).symlink_to(place)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Python of an empty environment with the wheel; pip itself holds that it asks for no more.

    Nothing comes from an index: what the wheel may need is linked, all else cannot be imported.
    """
    folder = tmp_path_factory.mktemp("bare")
    copy = folder / "checkout"
    names = ("spfem", "pyproject.toml", "README.md", "LICENSE", "benchmarks", "notebooks", "tests")
    copy.mkdir()
    for name in names:
        path, ignore = ROOT / name, shutil.ignore_patterns("__pycache__", "*.egg-info")
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=ignore)
        else:
            shutil.copy(path, copy / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-index", "--quiet"]
    built = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder, copy]
    subprocess.run([*pip, "wheel", *offline, *built], check=True)
    (wheel,) = folder.glob("spfem-*.whl")
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    python = folder / "environment" / "bin" / "python"
    (site,) = folder.glob("environment/lib/python*/site-packages")
    (folder / "three").mkdir()
    _link_dependencies(folder / "three")
    (site / "three.pth").write_text(f"{folder / 'three'}\n")
    subprocess.run([*pip, "--python", python, "install", *offline, wheel], check=True)
    return python


def _run(python, *words, folder):
    return subprocess.run(
        [python, *words], cwd=folder, env={"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_bare_wheel_uses_all_that_ships(bare, tmp_path):
    answer = _run(bare, "-c", USE, folder=tmp_path)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert answer.stdout.count("gradient") == 4
    assert "edited (20, " in answer.stdout
    assert "drawn (1, 3, " in answer.stdout
    assert "moved (1, 3, 96, 96)" in answer.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_weights_only(bare):
    (site,) = bare.parent.parent.glob("lib/python*/site-packages")
    here = {path.name for path in site.iterdir() if path.name.startswith(("spfem", "tests"))}
    assert here == {"spfem", f"spfem-{PROJECT['version']}.dist-info"}
    assert not [name for name in ("benchmarks", "notebooks", "tests") if (site / name).exists()]
    cards = {path.stem for path in (site / "spfem").rglob("weights/*.md")}
    assert cards == {path.stem for path in (site / "spfem").rglob("weights/*.safetensors")} != set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["edit", "clip.mp4", "--emotion", "happy", "--out", "out.mp4"],
        ["track", "clip.mp4", "--out", "out"],
        ["reproduce", "--scale", "smoke"],
        ["stage", "corpus", "--scale", "smoke"],
        ["corpus", "recordings"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_of_a_bare_wheel_says_what_to_install(bare, tmp_path, words):
    (tmp_path / "clip.mp4").touch()
    answer = _run(bare, "-m", "spfem", *words, folder=tmp_path)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert 'pip install "spfem[run]"' in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_doctor_of_a_bare_wheel_names_the_missing_extras(bare, tmp_path):
    answer = _run(bare, "-m", "spfem", "doctor", folder=tmp_path)
    assert answer.returncode == 1
    for extra in ("run", "explore"):
        assert f'pip install "spfem[{extra}]"' in " ".join(answer.stdout.split())
    assert answer.stdout.count("as shipped") == 6
    assert "Traceback" not in answer.stderr


def _modules_after(code, folder):
    shown = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    answer = subprocess.run(
        [sys.executable, "-c", shown], cwd=folder, capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_opening_a_workspace_loads_nothing_that_it_does_not_use(tmp_path):
    stages = "import spfem.scales, spfem.run.stages, spfem.run.workspace"
    assert not _modules_after(stages, ROOT) & set(HEAVY)
    opened = (
        "from spfem.run.workspace import open_workspace\n"
        "open_workspace('x', scale='smoke', figures={!r})"
    )
    loaded = _modules_after(opened.format(str(tmp_path)), ROOT)
    assert loaded & set(HEAVY) <= {"pandas"}


def test_help_loads_no_arrays():
    code = "from spfem.__main__ import build_parser\nbuild_parser().format_help()"
    assert not _modules_after(code, ROOT) & {*HEAVY, "numpy", "torch", "cv2", "av"}


def test_every_module_is_known_to_an_extra_that_brings_it():
    core = {re.split("[=<>]", each)[0] for each in PROJECT["dependencies"]}
    known = {module: extra for extra, modules in MODULES.items() for module in modules}
    assert not imported_modules("spfem") - USER_SUPPLIED - core - set(known)
    needs = {
        canonical(each.metadata["Name"]): {
            canonical(re.split(r"[<>=!~; \[(]", need)[0])
            for need in each.requires or []
            if "extra ==" not in need
        }
        for each in distributions()
    }
    brings = packages_distributions()
    for extra, modules in MODULES.items():
        pinned = PROJECT["optional-dependencies"][extra]
        todo, brought = [canonical(re.split(r"[\[=<>]", each)[0]) for each in pinned], set()
        while todo:
            if (name := todo.pop()) not in brought:
                brought.add(name)
                todo += needs.get(name, ())
        for module in modules:
            packages = {canonical(name) for name in brings.get(module, [f"{module}-bin"])}
            assert packages & brought, f"[{extra}] does not bring {module}"


def test_a_module_of_no_extra_is_an_error_of_its_own():
    told = missing_package(ModuleNotFoundError(name="warp.types"))
    assert 'pip install "spfem[run]"' in str(told)
    assert missing_package(ModuleNotFoundError(name="spfem.nowhere")) is None
