"""A made-up head of FLAME's true structure, written in the true formats of the released files."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import scipy.sparse
import torch
from torch import nn

from spfem.manipulator import Manipulator
from spfem.released.deca import COARSE_OUTPUTS, DETAIL_OUTPUTS, DetailDecoder, FaceEncoder
from spfem.released.networks import NETWORKS as MANIPULATOR_PARTS

VERTICES, TRIANGLES, MAP_PLACES = 5023, 9976, 5118


def head_mesh() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, triangles, map places and map triangles of the released counts.

    A tube from the chin to the crown of rings of 98 places, closed at the top, and loose vertices
    for the rest, as FLAME has eyeballs; the seam of the map runs down the back of the head.
    """
    around, rings = 98, 51
    polar = np.linspace(0.12, np.pi - 0.12, rings)
    turn = np.linspace(-np.pi, np.pi, around, endpoint=False)  # the seam is at the back
    down, across = np.meshgrid(polar, turn, indexing="ij")
    radius = np.array([0.075, 0.11, 0.09])
    places = (
        np.stack([np.sin(down) * np.sin(across), np.cos(down), np.sin(down) * np.cos(across)], -1)
        * radius
    )
    bump = np.exp(-((across / 0.15) ** 2) - ((down - 1.65) / 0.12) ** 2)  # a nose
    places[..., 2] += 0.02 * bump
    vertices = places.reshape(-1, 3)
    columns = around + 1  # of the map: the seam counts twice
    u, v = np.meshgrid(np.linspace(0.01, 0.99, columns), np.linspace(0.99, 0.01, rings))
    map_places = np.stack([u, v], -1).reshape(-1, 2)
    triangles, map_triangles = [], []
    for ring in range(rings - 1):
        for spoke in range(around):
            here, beside = ring * around + spoke, ring * around + (spoke + 1) % around
            flat, flat_beside = ring * columns + spoke, ring * columns + spoke + 1
            triangles += [(here, here + around, beside), (beside, here + around, beside + around)]
            map_triangles += [
                (flat, flat + columns, flat_beside),
                (flat_beside, flat + columns, flat_beside + columns),
            ]
    # What is left of the released counts: small loose triangles in the middle of the head.
    loose = VERTICES - len(vertices)
    spots = 0.004 * np.random.default_rng(1).standard_normal((loose, 3))
    vertices = np.concatenate([vertices, spots])
    rest = TRIANGLES - len(triangles)
    loose_triangles = VERTICES - loose + (np.arange(3 * rest) % loose).reshape(-1, 3)
    extra = MAP_PLACES - len(map_places)
    map_places = np.concatenate([map_places, np.full((extra, 2), 0.002)])
    loose_map = MAP_PLACES - extra + (np.arange(3 * rest) % extra).reshape(-1, 3)
    return (
        vertices,
        np.concatenate([triangles, loose_triangles]).astype(np.uint32),
        map_places,
        np.concatenate([map_triangles, loose_map]),
    )


def smooth_fields(vertices: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Smooth random vector fields (V, 3, count) of the size of a millimetre."""
    x, y, z = 10 * vertices.T
    features = np.stack([np.ones_like(x), x, y, z, x * y, y * z, z * x, x * x, y * y, z * z], 1)
    mix = np.random.default_rng(seed).standard_normal((features.shape[1], 3 * count))
    return (5e-4 * features @ mix).reshape(-1, 3, count)


def model_fields() -> dict[str, np.ndarray]:
    """Entries of `generic_model.pkl` as plain arrays."""
    vertices, triangles, _, _ = head_mesh()
    jaw = 1 / (1 + np.exp(-(-vertices[:, 1] - 0.03) / 0.01)) * (vertices[:, 2] > 0)
    weights = np.stack([0.3 * (1 - jaw), 0.7 * (1 - jaw), jaw, 0 * jaw, 0 * jaw], 1)
    regressor = np.zeros((5, VERTICES))
    for joint, place in enumerate([(0, -0.1, 0), (0, -0.08, 0), (0, -0.02, 0.02)]):
        nearest = np.argsort(((vertices - place) ** 2).sum(1))[:12]
        regressor[joint, nearest] = 1 / 12
    regressor[3:, :2] = 0.5
    return {
        "f": triangles,
        "v_template": vertices,
        "shapedirs": smooth_fields(vertices, 400, 2),
        "posedirs": 0.1 * smooth_fields(vertices, 36, 3),
        "J_regressor": regressor,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "weights": weights,
    }


def write_model(path: Path, fields: dict[str, np.ndarray]) -> None:
    """`generic_model.pkl` as released: chumpy arrays and a sparse matrix in one dictionary."""
    chumpy_ch = types.ModuleType("chumpy.ch")
    kind = type("Ch", (), {"__module__": "chumpy.ch", "__init__": lambda self, x: None})
    chumpy_ch.Ch = kind
    content = dict(fields) | {"bs_style": "lbs", "bs_type": "lrotmin"}
    for name in ("v_template", "shapedirs"):
        content[name] = kind(None)
        content[name].__dict__ = {"x": fields[name], "_dirty_vars": None, "_status": "new"}
    content["J_regressor"] = scipy.sparse.csc_matrix(fields["J_regressor"])
    sys.modules |= {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": chumpy_ch}
    try:
        path.write_bytes(pickle.dumps(content, protocol=4))
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


def write_networks(path: Path) -> None:
    """`deca_model.tar`: random networks whose codes are those of a plausible face."""
    random = torch.rand(1_000_003, generator=torch.Generator().manual_seed(0)) * 2 - 1
    groups = {}
    with torch.device("meta"):
        networks = {
            "E_flame": FaceEncoder(COARSE_OUTPUTS),
            "E_detail": FaceEncoder(DETAIL_OUTPUTS),
            "D_detail": DetailDecoder(),
        }
    for name, network in networks.items():
        tensors = network.to_empty(device="cpu").state_dict()
        for key, tensor in tensors.items():
            if key.endswith("num_batches_tracked"):
                tensor.zero_()
            elif tensor.ndim > 1:
                repeated = random.repeat(1 + tensor.numel() // len(random))[: tensor.numel()]
                torch.mul(repeated.view(tensor.shape), (3 / tensor[0].numel()) ** 0.5, out=tensor)
            else:
                tensor.fill_(float(key.endswith(("running_var", ".weight"))))
        groups[name] = tensors
    groups["E_flame"]["layers.2.weight"].mul_(0.005)
    groups["E_flame"]["layers.2.bias"][206:209] = torch.tensor([7.0, 0.0, 0.0])  # the camera
    torch.save(groups | {"opt": {"param_groups": [{"lr": 1e-4}]}, "global_step": 1}, path)


def write_template(path: Path) -> None:
    """`head_template.obj`."""
    vertices, triangles, places, map_triangles = head_mesh()
    lines = ["# made up", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices)]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in places]
    for corners, flat in zip(triangles.astype(int) + 1, map_triangles + 1, strict=True):
        lines.append("f " + " ".join(f"{a}/{b}" for a, b in zip(corners, flat, strict=True)))
    path.write_text("\n".join(lines) + "\n")


def write_embedding(path: Path) -> None:
    """`landmark_embedding.npy`: a pickled dictionary of arrays and tensors."""
    random = np.random.default_rng(4)

    def places(*shape: int) -> np.ndarray:
        share = random.random((*shape, 3)).astype(np.float32)
        return share / share.sum(-1, keepdims=True)

    content = {
        "static_lmk_faces_idx": random.integers(0, 9800, 51).astype(np.uint32),
        "static_lmk_bary_coords": places(51),
        "dynamic_lmk_faces_idx": torch.from_numpy(random.integers(0, 9800, (79, 17))),
        "dynamic_lmk_bary_coords": torch.from_numpy(places(79, 17)),
        "full_lmk_faces_idx": random.integers(0, 9800, (1, 68)),
        "full_lmk_bary_coords": places(1, 68),
    }
    np.save(path, content, allow_pickle=True)


def write_folder(folder: Path) -> None:
    """All files of the DECA route."""
    write_model(folder / "generic_model.pkl", model_fields())
    write_networks(folder / "deca_model.tar")
    write_template(folder / "head_template.obj")
    write_embedding(folder / "landmark_embedding.npy")
    random = np.random.default_rng(5)
    np.save(folder / "fixed_displacement_256.npy", 1e-4 * random.standard_normal((256, 256)))
    mask = np.zeros((256, 256, 4), np.uint8)
    mask[..., 3] = 255
    mask[40:216, 64:192, 2] = 255  # red of BGRA
    cv2.imwrite(str(folder / "uv_face_eye_mask.png"), mask)


def released_nets(manipulator: Manipulator) -> dict[str, dict[str, torch.Tensor]]:
    """What `<NN>_nets.pth` of NED holds."""
    return {name: dict(manipulator.get_submodule(name).state_dict()) for name in MANIPULATOR_PARTS}


def released_renderer_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """State dict of G or D with every key of the released layout, neutral norm buffers included."""
    state = {}
    for key, value in network.state_dict().items():
        state[key] = value
        if "conv_block" in key:
            state[key.replace("conv_block", "resnetblock_sequential")] = value
    for name, module in network.named_modules():
        if isinstance(module, nn.InstanceNorm2d):
            buffers = {
                "running_mean": torch.zeros(module.num_features),
                "running_var": torch.ones(module.num_features),
                "num_batches_tracked": torch.tensor(0),
            }
            for buffer, value in buffers.items():
                for twin in {name, name.replace("conv_block", "resnetblock_sequential")}:
                    state[f"{twin}.{buffer}"] = value
    return state
