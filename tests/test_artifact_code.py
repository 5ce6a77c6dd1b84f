"""Every stage is remade when code that decides its output changes, and only then."""

import ast
import textwrap
from functools import cache, partial

import pytest

from spfem import artifact_code
from spfem.artifact_code import code_digest, digest_of, names_of, package_digest, reached
from spfem.code_definitions import PLUMBING, CodeBase, Name
from spfem.errors import ArtifactError

OPENERS = ("open_stage", "open_score_stage", "Recipe")
CODE_PLACE = {"open_score_stage": 4, "Recipe": 4}  # of what is given by place
NORM = "correlation.crossmodal.norm:BatchNorm2d"

DECIDING = {
    "ablations.cross_modal:cross_modal_recipe": "correlation.crossmodal.losses:pair_loss",
    "ablations.retrieval:retrieval_recipe": "correlation.crossmodal.bank:make_bank",
    "ablations.spatial:spatial_recipe": NORM,
    "ablations.supervision:supervision_recipe": "supervision.heads:HeadLosses",
    "ablations.temporal:temporal_recipe": "correlation.windows:held_steps",
    "corpus.recordings.listing:_list_recordings": "media.pictures:count_pictures",
    "corpus.synthetic.build:build_synthetic_corpus": "media.encoding:ENCODER",
    "correlation.crossmodal.bank_stage:measure_banks": "correlation.crossmodal.norm:BatchNorm1d",
    "correlation.crossmodal.learn:learn_joint": "correlation.crossmodal.losses:pair_loss",
    "correlation.crossmodal.learn:learn_single": "correlation.crossmodal.schedule:schedule_of",
    "correlation.learn:learn_spatial": NORM,
    "correlation.learn_temporal:learn_temporal": NORM,
    "edit.tracking.track:make_track": "media.pictures:stream_pictures",
    "face.person:fit_persons": "face.solve:bounded_least_squares",
    "face.stage:_open": "face.align:align_faces",
    "manipulator.stage:learn_manipulator": "manipulator.losses:generator_terms",
    "metric_checks:measure_degradations": "evaluation.degradations:later_sound",
    "moved_scores:score_moved_edits": "evaluation.detail:detail_ratio",
    "pairing.index:pair_corpus": "pairing.dtw:align_sequences",
    "reading.films:film_people": "face.tracker:track_landmarks",
    "reading.persons:read_persons": "reading.refit:fit_towards",
    "real_samples:real_samples": "evaluation.identity:DlibIdentity",
    "renderer.stage:make_renderer": "renderer.training:train_renderer",
    "results:score_method": "evaluation.mouth:mouth_error",
    "stages.counterparts:make_counterparts": "face.align:align_faces",
    "stages.edits:make_edits": "chain:edit_expression",
    "stages.lip_sync:make_lip_sync": "evaluation.lip_sync.network:LipSyncNetwork",
    "stages.moved_edits:_make_true_tracks": "face.track:track_clip",
    "stages.moved_edits:_open_row": "renderer.moved.field:skin_field",
    "stages.reader:make_reader": "corpus.synthetic.render:render_clip",
    "stages.similarity:make_similarity": "statistics:cluster_bootstrap",
    "weights.make:pack_model": "weights.half_precision:pack_half",
}
"""A definition that decides the output of each stage, by the function that opens it."""

FOREIGN = {
    "correlation.learn:learn_spatial": ("face.tracker", "correlation.temporal", "stages", "chain"),
    "correlation.crossmodal.learn:learn_single": ("correlation.crossmodal.joint", "renderer"),
    "face.stage:_open": ("corpus.synthetic", "correlation", "renderer", "edit"),
    "manipulator.stage:learn_manipulator": ("correlation", "renderer", "supervision"),
    "renderer.stage:make_renderer": ("renderer.moved", "correlation", "manipulator", "edit"),
    "stages.edits:make_edits": ("evaluation", "renderer.moved", "edit.moving", "renderer.training",
                                "correlation", "corpus.synthetic", "manipulator.training_step"),
    "results:score_method": ("renderer", "corpus.synthetic", "face.tracker", "edit"),
}  # fmt: skip
"""Modules that do not decide it."""


class Edited(CodeBase):
    """The package with other sources of some modules, for as long as it is asked."""

    def __init__(self, **sources):
        super().__init__()
        self.sources = {self.path_of(name): text for name, text in sources.items()}

    def path_of(self, name):
        path = self.folder.joinpath(*name.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def read(self, path):
        return self.sources[path].encode() if path in self.sources else super().read(path)


CODE = CodeBase()


def _name(text):
    module, name = text.split(":")
    return Name(f"spfem.{module}", name)


@cache
def _sites():
    """The roots of each stage by the function that opens it, as written in the package."""
    found = {}
    for path in sorted(CODE.folder.rglob("*.py")):
        module = ".".join(path.relative_to(CODE.folder).with_suffix("").parts)
        for top in ast.parse(path.read_bytes()).body:
            for node in ast.walk(top):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                if node.func.id not in OPENERS or module == "weights.recipes":
                    continue
                code = next((k.value for k in node.keywords if k.arg == "code"), None)
                if code is None and len(node.args) > (place := CODE_PLACE.get(node.func.id, 99)):
                    code = node.args[place]
                names = {n.id for n in ast.walk(code) if isinstance(n, ast.Name)} if code else set()
                known = CODE.module(f"spfem.{module}")
                roots = {Name(known.name, n) for n in names if n in known.statements}
                roots |= {CODE.resolve(known.imports[n]) for n in names if n in known.imports}
                if roots:
                    found[f"{module}:{top.name}"] = frozenset(roots)
    return found


@cache
def _plain(stage):
    return digest_of(CODE, _sites()[stage])


def _source(name):
    return Edited().path_of(name).read_text("utf-8")


def _definition(tree, name):
    for node in tree.body:
        names = [node.name] if hasattr(node, "name") else []
        if isinstance(node, ast.Assign):
            names = [getattr(target, "id", "") for target in node.targets]
        if name in names:
            return node
    raise AssertionError(f"no {name}")


def _changed(text):
    """The package with another value in one definition, such as `chain:edit_expression`."""
    module, name = text.split(":")
    tree = ast.parse(_source(module))
    node = _definition(tree, name)
    if isinstance(node, ast.Assign):
        node.value = ast.Tuple([node.value, ast.Constant(1)], ast.Load())
    else:
        node.body.append(ast.parse("edited = 1").body[0])
    return Edited(**{module: ast.unparse(ast.fix_missing_locations(tree))})


def test_every_stage_is_looked_at():
    assert set(_sites()) == set(DECIDING)


@pytest.mark.parametrize("stage", DECIDING)
def test_a_deciding_change_remakes_a_stage(stage):
    assert digest_of(_changed(DECIDING[stage]), _sites()[stage]) != _plain(stage)


@pytest.mark.parametrize("stage", FOREIGN)
def test_what_decides_nothing_is_not_reached(stage):
    modules = {name.module.removeprefix("spfem.") for name in reached(CODE, _sites()[stage])}
    for foreign in FOREIGN[stage]:
        inside = {m for m in modules if m == foreign or m.startswith(f"{foreign}.")}
        named = {
            name.name for name, one in reached(CODE, _sites()[stage]).items()
            if name.module.removeprefix("spfem.") in inside and one.is_function
        }  # fmt: skip
        assert not named, f"{stage} reaches {foreign}: {sorted(named)}"


@pytest.mark.parametrize(
    ("changed", "stage"),
    [
        ("renderer.moved.field:skin_field", "renderer.stage:make_renderer"),
        ("renderer.moved.field:skin_field", "stages.edits:make_edits"),
        ("evaluation.mouth:mouth_error", "stages.edits:make_edits"),
        ("correlation.temporal_training:train_temporal", "correlation.learn:learn_spatial"),
        ("errors:InputError", "face.stage:_open"),
        ("corpus.synthetic.render:render_clip", "stages.edits:make_edits"),
    ],
)
def test_another_change_does_not(changed, stage):
    assert digest_of(_changed(changed), _sites()[stage]) == _plain(stage)


def test_comments_docstrings_and_annotations_do_not_count():
    source = _source("correlation.crossmodal.norm")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = ast.Name("object", ast.Load())
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            if ast.get_docstring(node):
                node.body.pop(0)
            node.body.insert(0, ast.Expr(ast.Constant("Other words.")))
    words = "# more\n" + ast.unparse(ast.fix_missing_locations(tree))
    stage = "correlation.learn:learn_spatial"
    assert words != source
    edited = Edited(**{"correlation.crossmodal.norm": words})
    assert digest_of(edited, _sites()[stage]) == _plain(stage)


def test_merging_two_files_remakes_nothing():
    """The norms move into the file of the networks that use them, and importers follow."""
    gone, kept = "correlation.crossmodal.norm", "correlation.crossmodal.resnet"
    merged = _source(kept) + "\n" + _source(gone).replace("from __future__ import annotations", "")
    sources = {kept: "\n".join(
        line for line in merged.splitlines() if not line.startswith(f"from spfem.{gone} ")
    ), gone: "raise RuntimeError"}  # fmt: skip
    for path in CODE.folder.rglob("*.py"):
        module = ".".join(path.relative_to(CODE.folder).with_suffix("").parts)
        text = path.read_text("utf-8")
        if module not in sources and f"spfem.{gone} " in text:
            sources[module] = text.replace(f"spfem.{gone} ", f"spfem.{kept} ")
    assert len(sources) > 2
    for stage in ("correlation.learn:learn_spatial", "correlation.crossmodal.learn:learn_joint"):
        assert digest_of(Edited(**sources), _sites()[stage]) == _plain(stage)


def test_moving_a_function_remakes_nothing():
    tree = ast.parse(_source("chain"))
    moved = _definition(tree, "edit_expression")
    tree.body.remove(moved)
    tree.body.insert(2, ast.parse("from spfem.start_warp import edit_expression").body[0])
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)][1:]
    names = set(CODE.module("spfem.chain").statements) - {"edit_expression"}
    back = ast.parse(f"from spfem.chain import {', '.join(sorted(names))}").body
    other = ast.parse(_source("start_warp"))
    other.body += [*imports, *back, moved]
    sources = {"chain": ast.unparse(tree), "start_warp": ast.unparse(other)}
    stage = "stages.edits:make_edits"
    assert Name("spfem.chain", "edit_expression") in reached(CODE, _sites()[stage])
    assert digest_of(Edited(**sources), _sites()[stage]) == _plain(stage)


def test_all_stages_are_asked_for_quickly():
    import time

    code, begun = CodeBase(), time.process_time()
    for roots in _sites().values():
        digest_of(code, roots)
    assert time.process_time() - begun < 4  # about 1 s; four times that on a busy machine


def test_plumbing_exists_and_is_not_reached():
    assert all(CODE.module(f"spfem.{name}") is not None for name in PLUMBING)
    for roots in _sites().values():
        assert not any(CODE.is_plumbing(name.module) for name in reached(CODE, roots))


def test_the_drawn_clips_and_the_supervision_of_a_renderer_count():
    from spfem.stages.renderers import _actor_clips, _base_clips, _open_show

    def modules(made_by):
        return {name.module for name in reached(CODE, names_of(made_by))}

    assert "spfem.chain" in modules(partial(_base_clips, None))
    shown = partial(_actor_clips, (), {}, partial(_open_show, None), None)
    assert {"spfem.chain", "spfem.face.texture"} <= modules(shown)
    assert not any("supervision" in module for module in modules(shown))


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
    ],
)
def test_names_are_followed(tmp_path, text):
    code = _package(tmp_path, a=text, b=OTHERS, c="from own.b import g")
    assert "g" in _names(code)
    assert "h" not in _names(code)
    before = digest_of(code, [Name("own.a", "f")])
    changed = _package(tmp_path, a=text, b=OTHERS.replace("1", "3"), c="from own.b import g")
    assert digest_of(changed, [Name("own.a", "f")]) != before
    other = _package(tmp_path, a=text, b=OTHERS.replace("2", "3"), c="from own.b import g")
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
        from own.artifacts import open_stage
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
    code = _package(tmp_path, a=stages, b=OTHERS, artifacts="def open_stage(): pass")
    assert _names(code) == {"f", "Store", "h"}
    assert _names(code, "a:learn") == {"learn", "g"}


def test_a_name_that_is_nowhere_is_an_error(tmp_path):
    code = _package(tmp_path, a="from own.b import gone\ndef f(): return gone()", b=OTHERS)
    with pytest.raises(ArtifactError, match=r"own\.b has no gone"):
        reached(code, [Name("own.a", "f")])


def test_functions_of_others_do_not_count():
    assert code_digest(lambda: 1) == code_digest()
    assert code_digest(partial(_name)) == code_digest()


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
