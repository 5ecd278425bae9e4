"""Show: training samples as the network gets them, with what their targets say."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.codecs import Codec
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.joint import samples_per_epoch
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.media import write_image
from posedistill.objectives.dwpose import StageTwoConfig
from posedistill.objectives.objective import Batch
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from posedistill.train.assemble import make_objective
from posedistill.train.batches import KeyBatches, TrainSamples
from posedistill.train.preflight import dry_model
from posedistill.train.recipe import Recipe
from posedistill.train.sheet import draw_dots, write_caption

_COLUMNS, _ROWS = 6, 4
_LONGEST_SIDE = 256  # pixels of a cell


def show_batch(recipe: Recipe, out: Path) -> NDArray[np.uint8]:
    """Draw the first samples of a run with the keypoints that their targets decode to.

    Gives the picture (H, W, 3) RGB, and writes it to `out`. Where augmentation changes late in
    the run, the lower half shows the late one. White dots are keypoints that the targets hold
    without a weight.
    Raises ValueError and FileNotFoundError for data or models that cannot be read.

    >>> show_batch(recipe, Path("batch.jpg")).shape  # doctest: +SKIP
    (1024, 1152, 3)
    """
    codec, data = _codec(recipe), recipe.data.training()
    phases = [0]
    if recipe.late_epochs and recipe.late_augment != recipe.augment:
        phases.append(recipe.epochs - recipe.late_epochs)
    cells = []
    for epoch in phases:
        name = "late, " if epoch else ""
        for sample in _samples(recipe, codec, data, epoch=epoch)[: _COLUMNS * _ROWS // len(phases)]:
            cells.append(_cell(sample, codec, skeleton=data.skeleton, name=name))
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    picture = contact_sheet(rows, cell_wh=_cell_size(codec))
    write_image(out, picture)
    return picture


def _codec(recipe: Recipe) -> Codec:
    """Give the codec of what trains, which in stage two is a model like its teacher."""
    if isinstance(recipe.objective, StageTwoConfig):
        return make_objective(recipe).deployable().spec.codec
    return dry_model(recipe.model).spec.codec


def _samples(recipe: Recipe, codec: Codec, data: PoseDataset, *, epoch: int) -> list[Batch]:
    samples = TrainSamples(
        data,
        codec,
        seed=recipe.seed,
        early=recipe.augment,
        late=recipe.late_augment,
        late_epoch=recipe.epochs - recipe.late_epochs,
        views=recipe.views,
    )
    per_epoch = samples_per_epoch(data)
    count = min(_COLUMNS * _ROWS, per_epoch)
    first_step = epoch * (per_epoch // count)
    (keys,) = KeyBatches(
        data,
        count,
        seed=recipe.seed,
        steps=range(first_step, first_step + 1),
        rank=0,
        world_size=1,
        views=recipe.views,
    )
    return [samples[key] for key in keys]


def _cell(  # house rule: what, how it is written
    sample: Batch, codec: Codec, *, skeleton: Skeleton, name: str
) -> NDArray[np.uint8]:
    keypoints, scores = codec.decode(*(target.numpy()[None] for target in sample.targets))
    weights = sample.weights.numpy()
    held = scores[0] > 0
    taught = held & (weights > 0)
    size_wh = _cell_size(codec)
    points = keypoints * np.float32(size_wh[0] / codec.input_size_wh[0])
    poses = Poses(
        keypoints=points,
        scores=taught[None].astype(np.float32),
        boxes_xyxy=np.array([[0, 0, *size_wh]], np.float32),
        box_scores=np.ones(1, np.float32),
        skeleton=skeleton,
    )
    crop = np.ascontiguousarray(sample.images.numpy().transpose(1, 2, 0))
    picture = draw_overlay(np.asarray(cv2.resize(crop, size_wh), np.uint8), poses, min_score=0.5)
    draw_dots(picture, points[0][held & ~taught])
    return write_caption(picture, f"{name}#{int(sample.indices)}: {int(taught.sum())} taught")


def _cell_size(codec: Codec) -> tuple[int, int]:
    w, h = codec.input_size_wh
    scale = _LONGEST_SIDE / max(w, h)
    return round(w * scale), round(h * scale)
