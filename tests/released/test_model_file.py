from __future__ import annotations

import numpy as np
import pytest

from spfem.errors import InputError
from spfem.released.flame import read_flame_model
from tests.released.made_up import model_fields, write_model


@pytest.fixture(scope="module")
def fields():
    return model_fields()


def test_planted_arrays_are_found(deca_folder, fields):
    model = read_flame_model(deca_folder / "generic_model.pkl")
    planted = {
        "template": fields["v_template"],
        "shape_basis": np.moveaxis(fields["shapedirs"][..., :100], -1, 0),
        "expression_basis": np.moveaxis(fields["shapedirs"][..., 300:350], -1, 0),
        "pose_basis": np.moveaxis(fields["posedirs"], -1, 0),
        "joint_regressor": fields["J_regressor"],
        "weights": fields["weights"],
        "triangles": fields["f"],
    }
    for name, array in planted.items():
        np.testing.assert_array_equal(getattr(model, name), array.astype(np.float32), name)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("weights", lambda a: a[:, :4], r"weights is \(5023, 4\) instead of \(5023, 5\)"),
        ("weights", lambda a: np.where(a > 0.5, np.nan, a), "weights is not finite"),
        ("kintree_table", lambda a: a * 0, "joints hang below"),
        ("f", lambda a: a + 1, "vertices that do not exist"),
        ("posedirs", lambda a: "text", "'posedirs' holds no numbers"),
    ],
)
def test_a_spoilt_entry_is_named(fields, tmp_path, name, spoil, message):
    small = fields | {"shapedirs": fields["shapedirs"].astype(np.float16)}
    write_model(tmp_path / "model.pkl", small | {name: spoil(fields[name])})
    with pytest.raises(InputError, match=message):
        read_flame_model(tmp_path / "model.pkl")


def test_a_missing_entry_is_named(fields, tmp_path):
    kept = {n: a for n, a in fields.items() if n != "posedirs"}
    write_model(tmp_path / "model.pkl", kept | {"shapedirs": np.zeros(1)})
    with pytest.raises(InputError, match="lacks posedirs"):
        read_flame_model(tmp_path / "model.pkl")
