"""Matrices: the drawn values, one scale for all, marks inside."""

import numpy as np
import pytest

from spfem.drawing import draw_matrices, draw_matrix
from spfem.errors import ShapeError
from spfem.plots import new_figure


def test_values_and_marked_path_are_drawn_as_given():
    _, axes = new_figure()
    values = np.arange(12.0).reshape(3, 4)
    path = np.array([[0, 0], [1, 2], [2, 3]])
    ax = draw_matrix(axes[0, 0], values, rows="neutral", columns="happy", path=path)
    np.testing.assert_array_equal(ax.images[-1].get_array(), values)
    assert ax.images[-1].get_clim() == (0, 11)
    assert ax.get_ylim() == (2.5, -0.5)
    np.testing.assert_array_equal(ax.lines[-1].get_xydata(), path[:, ::-1])
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("neutral", "happy")


def test_matrices_share_one_scale_unless_told_not_to():
    matrices = {"audio": np.zeros((2, 2)), "expression": np.full((2, 2), 5.0)}
    _, axes = new_figure(1, 2)
    draw_matrices(axes[0], matrices, rows="r", columns="c")
    assert [ax.images[-1].get_clim() for ax in axes[0]] == [(0, 5), (0, 5)]
    _, axes = new_figure(1, 2)
    draw_matrices(axes[0], matrices, rows="r", columns="c", shared=False)
    assert [ax.images[-1].get_clim()[0] for ax in axes[0]] == [0, 5]
    assert axes[0, 1].get_ylabel() == ""


def test_bad_input_is_refused():
    _, axes = new_figure()
    with pytest.raises(ShapeError, match="matrix must be"):
        draw_matrix(axes[0, 0], np.zeros(3), rows="r", columns="c")
    with pytest.raises(ShapeError, match="leaves the matrix"):
        draw_matrix(axes[0, 0], np.zeros((2, 2)), rows="r", columns="c", path=np.array([[0, 2]]))
    with pytest.raises(ShapeError, match="as many axes"):
        draw_matrices(
            axes[0], {"a": np.zeros((2, 2)), "b": np.zeros((2, 2))}, rows="r", columns="c"
        )
