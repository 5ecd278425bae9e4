"""MPII annotation files as lists in JSON: 16 keypoints a person (Andriluka et al., CVPR 2014).

The layout is that of HRNet's and OKDHP's files: a list of {image, center, scale, joints,
joints_vis}. They hold no head boxes: the head sizes of PCKh are in MPII's own files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.coco import CocoDataset, require_images
from posedistill.datasets.instance import Instance
from posedistill.json_file import read_json
from posedistill.skeleton import Skeleton

Row = dict[str, Any]  # Any: one JSON record of an annotation file

_FIELDS = ("image", "center", "scale", "joints", "joints_vis")
_SIDE = 200.0  # pixels of a person's height that a scale of 1 stands for
_DOWN = 15.0  # pixels, at scale 1, from the labelled centre down to that of the box
_AREA_OF_BOX = 0.53  # what people cover of their box on average, in COCO; MPII has no masks


def read_mpii(annotations: Path, images_dir: Path) -> CocoDataset:
    """Read people with 16 keypoints.

    The box is the published one (OKDHP, mpii.py, as HRNet's): a square of 200 x scale pixels, 15 x
    scale below the labelled centre so that feet stay inside. The published padding of 1.25 is that
    of every crop here. The file counts pixels from 1, the result from 0. Images are numbered in
    the order of the file, people too. People without a labelled keypoint are left out.
    Raises FileNotFoundError and ValueError that name the file, record or image at fault.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file, image = Path(folder, "valid.json"), Path(folder, "a.jpg")
    ...     image.touch()
    ...     person = f'"joints": {[[61, 71]] * 16}, "joints_vis": {[1] * 16}'
    ...     person += ', "image": "a.jpg", "center": [101, 86], "scale": 1.0'
    ...     _ = file.write_text(f"[{{{person}}}]")
    ...     read_mpii(file, Path(folder)).instances[0].box_xyxy.tolist()
    [0.0, 0.0, 200.0, 200.0]
    """
    content = read_json(annotations, kind="annotation file")
    _require_rows(content, annotations)
    image_ids: dict[str, int] = {}
    instances = []
    for index, row in enumerate(content):
        image_id = image_ids.setdefault(row["image"], len(image_ids) + 1)
        try:
            instance = _instance(row, image_id=image_id, annotation_id=index + 1)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{annotations}: record {index}: {error}") from error
        if instance.visible.any():
            instances.append(instance)
    if not instances:
        raise ValueError(f"{annotations} holds no person with labelled keypoints")
    paths = {image_id: images_dir / name for name, image_id in image_ids.items()}
    require_images((paths[key] for key in {i.image_id for i in instances}), annotations)
    return CocoDataset(Skeleton.get("mpii16"), instances, paths)


def _require_rows(content: object, annotations: Path) -> None:
    if not isinstance(content, list):
        raise ValueError(
            f"{annotations} is not an MPII list: expected a list of records with "
            f"{', '.join(_FIELDS)}, found {type(content).__name__}"
        )
    for index, row in enumerate(content):
        missing = [key for key in _FIELDS if not isinstance(row, dict) or key not in row]
        if missing:
            raise ValueError(f"{annotations}: record {index} lacks {', '.join(missing)}")


def _instance(row: Row, *, image_id: int, annotation_id: int) -> Instance:
    joints = np.asarray(row["joints"], np.float64)
    visible = np.asarray(row["joints_vis"], np.float64)
    if joints.shape != (16, 2) or visible.shape != (16,):
        raise ValueError(
            f"joints of shape {joints.shape} and joints_vis of {visible.shape}; "
            "expected (16, 2) and (16,)"
        )
    box = _box(row["center"], float(row["scale"]))
    labelled = (visible > 0) & np.isfinite(joints).all(axis=1)
    return Instance(
        image_id=image_id,
        annotation_id=annotation_id,
        box_xyxy=box.astype(np.float32),
        keypoints=np.where(labelled[:, None], joints - 1, 0).astype(np.float32),
        visible=labelled.astype(np.float32),
        area=float(_AREA_OF_BOX * np.prod(box[2:] - box[:2])),
    )


def _box(center: Sequence[float], scale: float) -> NDArray[np.float64]:
    x, y = (float(value) for value in center)
    middle = np.array([x, y + _DOWN * scale]) - 1
    if not np.isfinite(middle).all() or not 0 < scale < np.inf:
        raise ValueError(f"center {center} and scale {scale}; expected finite pixels and a scale")
    return np.concatenate([middle - _SIDE / 2 * scale, middle + _SIDE / 2 * scale])
