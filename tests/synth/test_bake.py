"""The baked body model against anny itself."""

import numpy as np
import pytest

pytest.importorskip("anny", reason="needs the extra synth")

from posedistill.synth.bake import baked_body


def test_the_mean_mesh_mirrors_itself() -> None:
    rows = baked_body()["template"]
    here, there = ({tuple(row) for row in np.rint(rows * flip)} for flip in (1e5, [-1e5, 1e5, 1e5]))
    assert len(here ^ there) < 0.001 * len(rows)


def test_every_vertex_follows_bones_that_share_its_weight() -> None:
    weights = baked_body()["skin_weights"]
    assert weights.min() >= 0
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-3)


def test_bones_of_the_midline_lie_in_it() -> None:
    arrays = baked_body()
    middle = [name[-2:] not in (".L", ".R") for name in arrays["bone_labels"]]
    assert (arrays["heads"][middle, 0] == 0).all()


@pytest.mark.slow
def test_bodies_before_posing_are_those_of_anny() -> None:
    import torch

    from posedistill.synth.bake import _read_model
    from posedistill.synth.builds import draw_phenotype, draw_shapes
    from posedistill.synth.phenotypes import Phenotypes

    model, arrays, rng = _read_model(), baked_body(), np.random.default_rng(6)
    for _ in range(4):
        phenotype, shapes = draw_phenotype(rng), draw_shapes(rng)
        with torch.no_grad():
            rest = model(phenotype_kwargs=phenotype, local_changes_kwargs=shapes)["rest_vertices"]
        x, y, z = rest[0].numpy().T
        phenotypes = Phenotypes(arrays)
        here = arrays["template"] + (phenotypes.coefficients(phenotype) @ arrays["basis"]).reshape(
            -1, 3
        )
        for row, value in phenotypes.local_coefficients(shapes, {}).items():
            own = slice(arrays["shape_starts"][row], arrays["shape_starts"][row + 1])
            here[arrays["shape_vertices"][own]] += value * arrays["shape_deltas"][own]
        error = np.linalg.norm(here - np.stack([x, z, -y], axis=1), axis=1)
        assert error.mean() < 6e-4
        assert error.max() < 8e-3
