"""Every stage is remade when code that decides its output changes, and only then."""

import ast
import re
import textwrap
from functools import cache, partial

import pytest

from spfem.errors import ArtifactError
from spfem.run import deciding_code as artifact_code
from spfem.run.deciding_code import code_digest, digest_of, names_of, package_digest, reached
from spfem.run.definitions import PACKAGE_FOLDER, PLUMBING, STUDIES_FOLDER, CodeBase, Name

OPENERS = ("open_stage", "open_score_stage", "Recipe", "_learn_once")
CODE_PLACE = {"open_score_stage": 4, "Recipe": 4, "_learn_once": 5}  # of what is given by place
DECIDING = {
    "cross_modal_recipe": "pair_loss",
    "retrieval_recipe": "make_bank",
    "spatial_recipe": "BatchNorm2d",
    "supervision_recipe": "PictureLosses",
    "temporal_recipe": "FrameWindows",
    "_list_recordings": "picture_paths",
    "build_synthetic_corpus": "ENCODER",
    "make_audio_banks": "BatchNorm1d",
    "make_cross_modal_metric": "pair_loss",
    "make_cross_modal_encoder": "compare_single",
    "make_spatial_metric": "BatchNorm2d",
    "make_temporal_metric": "BatchNorm2d",
    "make_track": "stream_pictures",
    "fit_persons": "bounded_least_squares",
    "_open": "align_faces",
    "_make_manipulator": "generator_terms",
    "measure_degradations": "later_sound",
    "score_moved_edits": "detail_ratio",
    "pair_corpus": "align_sequences",
    "film_people": "track_landmarks",
    "read_persons": "fit_towards",
    "real_samples": "DlibIdentity",
    "make_renderer": "train_renderer",
    "score_method": "mouth_error",
    "track_counterparts": "align_faces",
    "_open_moved": "skin_field",
    "_open_rendered": "edit_expression",
    "_draw_clips": "draw_conditions",
    "make_lip_sync": "LipSyncNetwork",
    "_open_row": "skin_field",
    "make_reader": "render_clip",
    "make_similarity": "cluster_bootstrap",
    "pack_model": "pack_half",
}
"""A definition that decides the output of each stage, by the function that opens it."""

FOREIGN = {
    "make_spatial_metric": ("track_landmarks", "train_temporal", "edit_expression", "make_corpus"),
    "make_cross_modal_encoder": ("train_joint", "train_renderer"),
    "_open": ("render_clip", "train_spatial", "train_renderer", "move_clip"),
    "_make_manipulator": ("train_spatial", "train_renderer", "supervise_manipulator"),
    "make_renderer": ("MovedRenderer", "skin_field", "train_spatial", "move_clip"),
    "_open_moved": ("mouth_error", "train_renderer", "FaceGenerator", "train_manipulator"),
    "_open_rendered": ("mouth_error", "MovedRenderer", "move_clip", "train_renderer", "render_clip",
                       "train_spatial", "train_manipulator"),
    "_draw_clips": ("train_renderer", "FaceGenerator", "move_clip", "train_manipulator"),
    "score_method": ("train_renderer", "render_clip", "track_landmarks", "move_clip"),
}  # fmt: skip
"""Definitions that do not decide it."""


class Edited(CodeBase):
    """The package with other sources of some modules, for as long as it is asked."""

    def __init__(self, sources):
        super().__init__(PACKAGE_FOLDER, STUDIES_FOLDER)
        self.sources = {_path(name): text for name, text in sources.items()}

    def read(self, path):
        return self.sources[path].encode() if path in self.sources else super().read(path)


CODE = CodeBase(PACKAGE_FOLDER, STUDIES_FOLDER)


def _paths():
    return [path for folder in CODE.folders.values() for path in sorted(folder.rglob("*.py"))]


def _path(module):
    package, *parts = module.split(".")
    path = CODE.folders[package].joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _module(path):
    folder = next(each for each in CODE.folders.values() if path.is_relative_to(each))
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _place(name):
    """The module that defines a name of the package or of the studies."""
    places = []
    for path in _paths():
        module = _module(path)
        if name.encode() in path.read_bytes() and name in CODE.module(module).statements:
            places.append(module)
    assert len(places) == 1, f"{name} is defined in {places or 'no module'}"
    return places[0]


@cache
def _sites():
    """The roots of each stage by the function that opens it, as written in the package."""
    found = {}
    for path in _paths():
        module, source = _module(path), path.read_bytes()
        if not any(f"{opener}(".encode() in source for opener in OPENERS):
            continue
        for top in ast.parse(source).body:
            for node in ast.walk(top):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                if node.func.id not in OPENERS:
                    continue
                code = next((k.value for k in node.keywords if k.arg == "code"), None)
                if code is None and len(node.args) > (place := CODE_PLACE.get(node.func.id, 99)):
                    code = node.args[place]
                names = {n.id for n in ast.walk(code) if isinstance(n, ast.Name)} if code else set()
                known = CODE.module(module)
                at = getattr(top, "name", "")
                roots = {Name(known.name, n) for n in names if n in known.statements}
                roots |= {CODE.resolve(known.imports[n]) for n in names if n in known.imports}
                if roots:
                    found[at] = frozenset(roots)
    return found


@cache
def _plain(stage):
    return digest_of(CODE, _sites()[stage])


def _source(module):
    return _path(module).read_text("utf-8")


def _definition(tree, name):
    for node in tree.body:
        names = [node.name] if hasattr(node, "name") else []
        if isinstance(node, ast.Assign):
            names = [getattr(target, "id", "") for target in node.targets]
        if name in names:
            return node
    raise AssertionError(f"no {name}")


def _changed(name):
    """The package with another value in one definition."""
    tree = ast.parse(_source(_place(name)))
    node = _definition(tree, name)
    if isinstance(node, ast.Assign):
        node.value = ast.Tuple([node.value, ast.Constant(1)], ast.Load())
    else:
        node.body.append(ast.parse("edited = 1").body[0])
    return Edited({_place(name): ast.unparse(ast.fix_missing_locations(tree))})


def test_every_stage_is_looked_at():
    assert set(_sites()) == set(DECIDING)


@pytest.mark.parametrize("stage", DECIDING)
def test_a_deciding_change_remakes_a_stage(stage):
    assert digest_of(_changed(DECIDING[stage]), _sites()[stage]) != _plain(stage)


@pytest.mark.parametrize("stage", FOREIGN)
def test_what_decides_nothing_is_not_reached(stage):
    names = {name.name for name in reached(CODE, _sites()[stage])}
    assert all(_place(name) for name in FOREIGN[stage])
    assert names.isdisjoint(FOREIGN[stage])


@pytest.mark.parametrize(
    ("changed", "stage"),
    [
        ("skin_field", "make_renderer"),
        ("skin_field", "_open_rendered"),
        ("mouth_error", "_open_moved"),
        ("train_temporal", "make_spatial_metric"),
        ("InputError", "_open"),
        ("render_clip", "_open_rendered"),
    ],
)
def test_another_change_does_not(changed, stage):
    assert digest_of(_changed(changed), _sites()[stage]) == _plain(stage)


def test_comments_docstrings_and_annotations_do_not_count():
    place = _place("BatchNorm2d")
    tree = ast.parse(_source(place))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = ast.Name("object", ast.Load())
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node):
                node.body.pop(0)
            node.body.insert(0, ast.Expr(ast.Constant("Other words.")))
    edited = Edited({place: "# more\n" + ast.unparse(ast.fix_missing_locations(tree))})
    assert digest_of(edited, _sites()["make_spatial_metric"]) == _plain("make_spatial_metric")


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("BatchNorm2d", ("make_spatial_metric", "make_temporal_metric", "make_cross_modal_metric")),
        ("bounded_least_squares", ("fit_persons", "_open")),
    ],
)
def test_merging_two_files_remakes_nothing(name, stages):
    """A module is written at the end of one that imports it, and all importers follow."""
    gone = _place(name)
    line = re.compile(rf"^from {re.escape(gone)} import (\([^)]*\)|.*)\n", re.M)
    texts = {_module(path): path.read_text("utf-8") for path in _paths()}
    kept = next(module for module, text in texts.items() if line.search(text))
    sources = {
        module: text.replace(f"{gone} import", f"{kept} import")
        for module, text in texts.items()
        if f"{gone} import" in text
    }
    own = texts[gone].replace("from __future__ import annotations\n", "")
    sources |= {kept: line.sub("", texts[kept]) + own, gone: "raise RuntimeError"}
    for stage in stages:
        assert name in {one.name for one in reached(CODE, _sites()[stage])}
        assert digest_of(Edited(sources), _sites()[stage]) == _plain(stage)


def test_moving_a_function_remakes_nothing():
    name, stage, new = "edit_expression", "_open_rendered", _place("start_warp")
    old = _place(name)
    tree, other = ast.parse(_source(old)), ast.parse(_source(new))
    moved = _definition(tree, name)
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)][1:]
    left = sorted(set(CODE.module(old).statements) - {name})
    tree.body.remove(moved)
    tree.body.append(ast.parse(f"from {new} import {name}").body[0])
    back = ast.parse(f"from {old} import {', '.join(left)}").body
    other.body += [*imports, *back, moved]
    sources = {old: ast.unparse(tree), new: ast.unparse(other)}
    assert digest_of(Edited(sources), _sites()[stage]) == _plain(stage)


def test_all_stages_are_asked_for_quickly():
    import time

    code, begun = CodeBase(PACKAGE_FOLDER, STUDIES_FOLDER), time.process_time()
    for roots in _sites().values():
        digest_of(code, roots)
    assert time.process_time() - begun < 4  # about 1 s; four times that on a busy machine


def test_plumbing_exists_and_is_not_reached():
    assert all(CODE.module(f"spfem.{name}") is not None for name in PLUMBING)
    for roots in _sites().values():
        assert not any(CODE.is_plumbing(name.module) for name in reached(CODE, roots))


def test_the_kept_clips_and_the_supervision_of_a_renderer_count():
    from spfem.run.conditions import LearnedClips
    from spfem.run.renderers import make_renderer_metrics

    def reach(made_by):
        return {name.name for name in reached(CODE, names_of(made_by))}

    shown = reach(partial(LearnedClips, None, None))
    assert {"load_conditions", "renderer_clip"} <= shown
    assert not {"draw_conditions", "make_renderer_metrics", "edit_expression"} & shown
    assert {"identity_term", "spatial_term", "collect_pairs"} <= reach(make_renderer_metrics)


# A package of our own: what each way of writing reaches.


def _package(folder, **files):
    root = folder / "own"
    for name, text in {"__init__": "", "errors": "", **files}.items():
        path = root.joinpath(*name.split("__in__")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(text))
    return CodeBase(root)


def _names(code, root="a:f"):
    module, name = root.split(":")
    return {one.name for one in reached(code, [Name(f"own.{module}", name)]) if one.name}


VIA = {"c": "from own.b import g", "d": "from own.b import *"}
OTHERS = "def g():\n    return 1\n\n\ndef h():\n    return 2\n"


@pytest.mark.parametrize(
    "text",
    [
        "from own.b import g\ndef f(): return g()",
        "from own.b import g as other\ndef f(): return other()",
        "from .b import g\ndef f(): return g()",
        "from own import b\ndef f(): return b.g()",
        "import own.b\ndef f(): return own.b.g()",
        "import own.b as c\ndef f(): return c.g()",
        "def f():\n    from own.b import g\n    return g()",
        "def f():\n    import own.b as c\n    return [c.g() for _ in range(3)]",
        "from own.b import g\ndef f():\n    def inner(): return g()\n    return inner",
        "from own.b import g\ndef f(make=g): return make()",
        "from own.b import g\n@g\ndef f(): return 1",
        "from own.b import g\nTABLE = {'g': g}\ndef f(name): return TABLE[name]()",
        "from own.b import g\nTABLE = {}\nTABLE['g'] = g\ndef f(name): return TABLE[name]()",
        "from own.b import g\nLIST = []\nLIST.append(g)\ndef f(): return LIST[0]()",
        "from own.b import g\nclass C:\n    value = g()\ndef f(): return C()",
        "from own.b import g\nclass C:\n    def go(self): return g()\nclass D(C): pass\n"
        "def f(): return D()",
        "from own.b import g\ndef f(): return [g for g in g()]",
        "try:\n    from own.b import g\nexcept ImportError:\n    g = None\ndef f(): return g()",
        "from own.c import g\ndef f(): return g()",
        "from own.b import g\ng()\ndef f(): return 1",
        "from own.b import *\ndef f(): return g()",
        "from own import d\ndef f(): return d.g()",
    ],
)
def test_names_are_followed(tmp_path, text):
    code = _package(tmp_path, a=text, b=OTHERS, **VIA)
    assert "g" in _names(code)
    assert "h" not in _names(code)
    before = digest_of(code, [Name("own.a", "f")])
    changed = _package(tmp_path, a=text, b=OTHERS.replace("1", "3"), **VIA)
    assert digest_of(changed, [Name("own.a", "f")]) != before
    other = _package(tmp_path, a=text, b=OTHERS.replace("2", "3"), **VIA)
    assert digest_of(other, [Name("own.a", "f")]) == before


@pytest.mark.parametrize(
    "text",
    [
        "from own.b import g\ndef f(): return 1",
        "from own.b import g\ndef f(g): return g()",
        "from own.b import g\ndef f():\n    g = 1\n    return g",
        "from own.b import g\ndef f(): return [g for g in range(3)]",
        "from own.b import g\ndef f():\n    def inner(x: g) -> g: return 1\n    return inner",
        "from own.b import g\nif __name__ == '__main__':\n    g()\ndef f(): return 1",
        "from own.b import g\ndef f(x): return x.g",
    ],
)
def test_what_is_not_used_is_not_followed(tmp_path, text):
    assert _names(_package(tmp_path, a=text, b=OTHERS)) == {"f"}


def test_a_module_as_an_object_brings_all_that_it_defines(tmp_path):
    code = _package(tmp_path, a="from own import b\ndef f(n): return getattr(b, n)()", b=OTHERS)
    assert _names(code) == {"f", "g", "h"}


def test_forms_of_import_are_one(tmp_path):
    forms = (
        "from own.b import g\ndef f(): return g()",
        "from own import b\ndef f(): return b.g()",
        "import own.b as c\ndef f(): return c.g()",
        "def f():\n    from own.b import g as k\n    return k()",
        "def g():\n    return 1\ndef f(): return g()",
    )
    digests = {
        digest_of(_package(tmp_path / str(n), a=text, b=OTHERS), [Name("own.a", "f")])
        for n, text in enumerate(forms)
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return [a, b]", "def f(): return [a.b]"),
        ("def f(x=1, y=2): pass", "def f(x, y=2): pass"),
        ("def f(*x): pass", "def f(**x): pass"),
        ("def f(x, *, y): pass", "def f(x, y): pass"),
        ("def f(): return 'a'", "def f(): return b'a'"),
        ("def f(): return 1", "def f(): return 1.0"),
        ("def f(x): return x[1:]", "def f(x): return x[:1]"),
        ("from math import cos as k\ndef f(): return k(1)",
         "from math import sin as k\ndef f(): return k(1)"),
        ("def f(x): return {a for a in x}", "def f(x): return [a for a in x]"),
        ("def f(x): return (lambda: x, 1)", "def f(x): return lambda: (x, 1)"),
    ],
)  # fmt: skip
def test_other_code_is_another_digest(tmp_path, one, other):
    first, second = (
        digest_of(_package(tmp_path / str(n), a=text), [Name("own.a", "f")])
        for n, text in enumerate((one, other))
    )
    assert first != second


def test_an_import_of_a_namesake_counts(tmp_path):
    """Both are reached before and after: only the import tells which of them is used."""
    text = "from own.{} import g\nfrom own.d import k\ndef f(): return g() + k()"
    files = {"b": "def g(): return 1", "c": "def g(): return 2"}
    both = "from own import b, c\ndef k(): return b.g() + c.g()"
    digests = {
        digest_of(code, [Name("own.a", "f")])
        for way in ("b", "c")
        if (code := _package(tmp_path / way, a=text.format(way), d=both, **files))
    }
    assert len(digests) == 2


def test_a_file_beside_the_module_counts(tmp_path):
    text = "from pathlib import Path\nDATA = Path(__file__).with_name('x')\ndef f(): return DATA"
    seen = set()
    for value in (b"1", b"2"):
        code = _package(tmp_path, a=text)
        (tmp_path / "own" / "x").write_bytes(value)
        seen.add(digest_of(code, [Name("own.a", "f")]))
    assert len(seen) == 2


def test_another_stage_counts_by_the_type_that_it_returns(tmp_path):
    stages = """
        from own.run.artifacts import open_stage
        from own.b import g, h
        class Store:
            def read(self): return h()
        def learn() -> Store:
            stage = open_stage()
            g()
        def make() -> Store:
            return learn()
        def f():
            return make().read()
    """
    code = _package(tmp_path, a=stages, b=OTHERS, run__in__artifacts="def open_stage(): pass")
    assert _names(code) == {"f", "Store", "h"}
    assert _names(code, "a:learn") == {"learn", "g"}


def test_a_name_that_is_nowhere_is_an_error(tmp_path):
    code = _package(tmp_path, a="from own.b import gone\ndef f(): return gone()", b=OTHERS)
    with pytest.raises(ArtifactError, match=r"own\.b has no gone"):
        reached(code, [Name("own.a", "f")])


def test_functions_of_others_do_not_count():
    assert code_digest(lambda: 1) == code_digest()
    assert code_digest(partial(_place)) == code_digest()


def test_the_digest_of_the_package_tells_code_from_words(tmp_path, monkeypatch):
    digests = []
    for text in ("def f(): return 1", "def f(): return 1  # words", "def f(): return 2"):
        code = _package(tmp_path, a=text)
        monkeypatch.setattr(artifact_code, "installed_code", lambda code=code: code)
        digests.append(package_digest())
    assert digests[0] == digests[1] != digests[2]


def test_all_of_the_package_can_be_read(monkeypatch):
    """Every name of the package that its code uses is found."""
    monkeypatch.setattr(artifact_code, "installed_code", lambda: CODE)
    assert len(package_digest()) == 16
