from __future__ import annotations

import json
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from spfem.__main__ import main
from spfem.checkpoints import load_checkpoint
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.encoders import load_encoder
from spfem.correlation.scmcl import CrossModalCoherence
from spfem.correlation.stccl import SpatialTemporalCoherence, TemporalCoherence
from spfem.errors import CheckpointError, SettingsError
from spfem.released.kinds import METRICS, RELEASED_KINDS, import_released
from spfem.released.networks import LAYOUTS
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings

NARROW = SpatialSettings(widths=(16, 32), blocks=(2, 1), centres=(32, 16))
NARROW_CROSS = CrossModalSettings(
    width=16, layers=5, doublings=(1, 4), image_width=16, embedding=8, blocks=2
)
DEAD = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
NORMS = ("norm_q.weight", "norm_q.bias", "norm_k.weight", "norm_v.bias")


def spatial_state(settings=NARROW):
    torch.manual_seed(0)
    state = SpatialCoherence(settings).state_dict()
    return state | {f"resnet50.bn2.{name}": torch.zeros(settings.widths[-1]) for name in DEAD}


def pair_state(visual):
    torch.manual_seed(1)
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in CrossModalCoherence(NARROW_CROSS, visual).state_dict().items():
        group, rest = name.split(".", 1)
        groups.setdefault(group, OrderedDict())[f"module.{rest}"] = value
    for group in groups:
        if group.endswith("_attn"):
            groups[group] |= {f"module.blocks.1.{norm}": torch.ones(8) for norm in NORMS}
    return {"model": groups, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-5}]}}


@pytest.fixture
def save(tmp_path):
    def write(content, name="last.pth"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("wrapped", ["bare", "parallel", "trainer"])
def test_spatial_metric_takes_rgb_as_the_release_takes_bgr(tmp_path, save, wrapped):
    state = spatial_state()
    content = {
        "bare": state,
        "parallel": {f"module.{name}": value for name, value in state.items()},
        "trainer": {"model": state, "optimizer": {"state": {}}, "epoch": 3},
    }[wrapped]
    out = tmp_path / "asccl.safetensors"
    made = import_released("spatial", save(content), out)
    metric = SpatialCoherence.load(out)
    assert metric.settings == NARROW
    released = SpatialCoherence(NARROW)
    released.load_state_dict({n: v for n, v in state.items() if "resnet50.bn2" not in n})
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        for ours, theirs in zip(
            metric.resnet50(images), released.eval().resnet50(images.flip(1)), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    facts = load_checkpoint(out, kind="spatial coherence")[1]
    assert facts["provenance"] == made.provenance
    assert made.provenance["imported_from"] == "last.pth"
    assert len(made.provenance["digest"]) == 16
    assert made.provenance["input_channels"].startswith("RGB")
    wrappers = ["optimizer", "epoch"] if wrapped == "trainer" else []
    assert made.provenance["dropped"] == wrappers + [f"resnet50.bn2.{name}" for name in DEAD]


def test_channel_order_is_kept_on_request(tmp_path, save):
    state, out = spatial_state(), tmp_path / "asccl.safetensors"
    made = import_released("spatial", save(state), out, keep_channel_order=True)
    loaded = SpatialCoherence.load(out).state_dict()
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)
    assert made.provenance["input_channels"] == "BGR, as released"
    with pytest.raises(SettingsError, match="not learned on BGR"):
        import_released("scmcl-audio", tmp_path / "last.pth", out, keep_channel_order=True)


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("temporal", TemporalCoherence), ("spatial-temporal", SpatialTemporalCoherence)],
)
def test_temporal_metrics_read_the_same_layout(tmp_path, save, kind, metric):
    out = tmp_path / "stccl.safetensors"
    import_released(kind, save(spatial_state()), out)
    loaded = metric.load(out)
    assert loaded.settings == TemporalSettings(spatial=NARROW, places=(256, 128))
    assert loaded.supervising


@pytest.mark.parametrize("modality", ["audio", "expression", "image"])
def test_encoders_alone(tmp_path, save, modality):
    visual = "image" if modality == "image" else "expression"
    metric = CrossModalCoherence(NARROW_CROSS, visual)
    encoder = metric.audio_encoder if modality == "audio" else metric.visual_encoder
    state = {f"module.{name}": value for name, value in encoder.state_dict().items()}
    out = tmp_path / "encoder.safetensors"
    made = import_released(f"scmcl-{modality}", save({"model": state, "optimizer": {}}), out)
    loaded, settings = load_encoder(out, modality)
    assert settings.embedding == 8
    assert (settings.image_width if modality == "image" else settings.layers) in (16, 5)
    for name, value in encoder.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert not loaded.training
    assert made.provenance["dropped"] == ["optimizer"]
    with pytest.raises(CheckpointError, match=f"holds the {modality} encoder"):
        load_encoder(out, "something")


@pytest.mark.parametrize("visual", ["expression", "image"])
def test_pairs(tmp_path, save, visual):
    content, out = pair_state(visual), tmp_path / "pair.safetensors"
    made = import_released(f"scmcl-{visual}-pair", save(content), out)
    metric = CrossModalCoherence.load(out)
    assert metric.visual == visual
    unseen = {} if visual == "image" else {"image_width": 64}  # not in the file: the default
    assert metric.settings == replace(NARROW_CROSS, **unseen)
    for name, value in metric.state_dict().items():
        group, rest = name.split(".", 1)
        assert torch.equal(value, content["model"][group][f"module.{rest}"])
    short = {"expression": "expr"}.get(visual, visual)
    for attention in ("audio_attn", f"{short}_attn"):
        for norm in NORMS:
            assert f"{attention}.blocks.1.{norm}" in made.provenance["dropped"]
    assert len(made.provenance["dropped"]) == 1 + 2 * len(NORMS)


RELEASED_KEYS = {
    "spatial": {"": "asccl_metric"},
    "temporal": {"": "asccl_metric"},
    "spatial-temporal": {"": "asccl_metric"},
    "scmcl-audio": {"": "scmcl_audio_encoder"},
    "scmcl-expression": {"": "scmcl_expr_encoder"},
    "scmcl-image": {"": "scmcl_image_encoder"},
    "scmcl-expression-pair": {
        "audio_encoder": "scmcl_audio_encoder",
        "expr_encoder": "scmcl_expr_encoder",
        "scale_layer": "scmcl_scale",
        "expr_attn": "scmcl_attn_blocks1",
        "audio_attn": "scmcl_attn_blocks1",
    },
    "scmcl-image-pair": {
        "audio_encoder": "scmcl_audio_encoder",
        "image_encoder": "scmcl_image_encoder",
        "scale_layer": "scmcl_scale",
        "image_attn": "scmcl_attn_blocks1",
        "audio_attn": "scmcl_attn_blocks1",
    },
}


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.parametrize("kind", LAYOUTS)
def test_exact_released_keys_build_the_paper_sizes(parity_folder, kind, monkeypatch, tmp_path):
    keys = json.loads((parity_folder / "state_keys.json").read_text())
    groups = {
        group: {name: torch.zeros(()).expand(shape) for name, shape in keys[entry].items()}
        for group, entry in RELEASED_KEYS[kind].items()
    }
    path = tmp_path / "last.pth"
    torch.save({"model": groups.get("", groups), "optimizer": {}}, path)
    kept = {}
    layout = LAYOUTS[kind]

    def build(file):
        with torch.device("meta"):  # names and shapes are all that is asked
            network, _ = layout.build(file)
        return network, lambda out, provenance: kept.update(network=network)

    monkeypatch.setitem(LAYOUTS, kind, type(layout)(build, layout.dead, layout.learned_on_bgr))
    made = import_released(kind, path, tmp_path / "out.safetensors")
    if kind == "spatial":
        assert kept["network"].settings == SpatialSettings()
    elif kind.endswith("temporal"):
        assert kept["network"].settings == TemporalSettings()
    elif kind.endswith("pair"):
        assert kept["network"].settings == CrossModalSettings()
    assert made.entries == len(kept["network"].state_dict())
    dead = 5 if LAYOUTS[kind].learned_on_bgr else 12 if kind.endswith("pair") else 0
    assert len(made.provenance["dropped"]) == 1 + dead


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("mlp.0.bias"), r"lacks 1 entries \(mlp.0.bias\)"),
        (lambda s: s.update({"fc.weight": torch.zeros(2)}), r"has surplus 1 entries \(fc.weight\)"),
        (lambda s: s.update({"mlp.2.weight": torch.zeros(3, 16)}), r"mlp.2.weight \(3, 16\) ins"),
        (lambda s: s.pop("resnet50.layer1.0.conv2.weight"), "from which sizes are read"),
        (lambda s: s.pop("resnet50.conv1.weight"), r"lacks 1 entries \(resnet50.conv1"),
        (lambda s: s.update({"mlp.0.bias": torch.full((16,), torch.nan)}), "not finite in mlp.0"),
        (lambda s: s.update({"lr": 0.1}), "'lr' is a float instead of a tensor"),
        (lambda s: s.clear(), "holds no ASCCL"),
    ],
)
def test_files_of_another_layout_are_refused_by_name(tmp_path, save, change, message):
    state = spatial_state()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        import_released("spatial", save(state), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def _pickled(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))


def _truncated(path):
    torch.save(spatial_state(), path)
    path.write_bytes(path.read_bytes()[:4000])


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: torch.save(nn.Linear(2, 2), path), "Python object torch.nn.modules.linear"),
        (lambda path: torch.save({"model": Evil()}, path), "could run code"),
        (lambda path: _pickled(path, Evil()), "could run code|no PyTorch checkpoint"),
        (lambda path: path.write_text("404: Not Found"), "no PyTorch checkpoint"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (_truncated, "no PyTorch checkpoint, or damaged"),
        (_zip, "no PyTorch checkpoint, or damaged"),
        (lambda path: torch.save([torch.zeros(2)], path), "holds a list"),
        (lambda path: path.mkdir(), "does not exist or is no file"),
        (lambda path: SpatialCoherence(NARROW).save(path), "is a safetensors file"),
    ],
)
def test_wrong_file_types_are_refused_in_words(tmp_path, capsys, make, message):
    path = tmp_path / "file.pth"
    make(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        import_released("spatial", path, tmp_path / "out.safetensors")
    assert "\n" not in str(caught.value)
    assert "code ran" not in capsys.readouterr().out


def test_command_line(tmp_path, save, capsys):
    out = tmp_path / "new" / "asccl.safetensors"
    words = ["import-checkpoint", "spatial", str(save(spatial_state())), "--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "resnet50.bn2.weight" in printed
    assert str(out) in printed
    assert SpatialCoherence.load(out).supervising
    assert main([*words, "--keep-channel-order"]) == 0
    words[1] = "scmcl-audio"
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith("spfem: CheckpointError: ")
    assert error.count("\n") == 1
    assert main([*words[:4], str(tmp_path / "out.pth")]) == 1
    assert "must end in .safetensors" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["import-checkpoint", "unheard-of", "x", "--out", "y.safetensors"])


def test_help_names_every_kind(capsys):
    metrics = {name for name, kind in RELEASED_KINDS.items() if kind.reader == METRICS}
    assert metrics == set(LAYOUTS)
    with pytest.raises(SystemExit):
        main(["import-checkpoint", "--help"])
    printed = capsys.readouterr().out
    for kind in RELEASED_KINDS:
        assert f" {kind} " in printed
