"""MPII: people with 16 keypoints (Andriluka et al., CVPR 2014), from either kind of file.

Lists in JSON are those of HRNet's and OKDHP's data, one for training and one for validation; the
release is MPII's own ``mpii_human_pose_v1_u12_1.mat``. Both say the same of the same people.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from posedistill.datasets.coco import CocoDataset, require_images
from posedistill.datasets.instance import Instance
from posedistill.datasets.mpii_mat import read_release
from posedistill.datasets.mpii_person import MpiiPerson, number_images, read_list
from posedistill.skeleton import Skeleton

_AREA_OF_BOX = 0.53  # what people cover of their box on average, in COCO; MPII has no masks


def read_mpii(annotations: Path, images_dir: Path, *, without: Collection[str] = ()) -> CocoDataset:
    """Read people with 16 keypoints.

    annotations: a list in JSON, or the release, a `.mat` file, of which the people of training
    images are read. without: names of images to leave out, those of `image_names` of the
    validation list for one. The box is `MpiiPerson.box_xyxy`. The files count pixels from 1, the
    result from 0. Images are numbered in the order of the file, people too. People without a
    labelled keypoint are left out.
    Raises FileNotFoundError and ValueError that name the file, record or image at fault, and
    ImportError for the release without scipy.

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
    left_out = frozenset(without)
    people = [person for person in read_people(annotations) if person.image not in left_out]
    image_ids = number_images(people)
    instances = [
        _instance(person, image_id=image_ids[person.image], annotation_id=index + 1)
        for index, person in enumerate(people)
        if person.labelled.any()
    ]
    if not instances:
        raise ValueError(f"{annotations} holds no person with labelled keypoints")
    paths = {image_id: images_dir / name for name, image_id in image_ids.items()}
    require_images((paths[key] for key in {i.image_id for i in instances}), annotations)
    return CocoDataset(Skeleton.get("mpii16"), instances, paths)


def read_people(annotations: Path) -> list[MpiiPerson]:
    """Read people as the file has them, from a list in JSON or from the release, a `.mat` file.

    >>> read_people(Path("train.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: train.json
    """
    return read_release(annotations) if is_release(annotations) else read_list(annotations)


def is_release(annotations: Path) -> bool:
    """Say whether a file is taken for the release.

    >>> is_release(Path("mpii_human_pose_v1_u12_1.mat"))
    True
    """
    return annotations.suffix.lower() == ".mat"


def image_names(annotations: Path) -> frozenset[str]:
    """Give the names of the images of which a file has people.

    >>> image_names(Path("valid.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: valid.json
    """
    return frozenset(person.image for person in read_people(annotations))


def _instance(person: MpiiPerson, *, image_id: int, annotation_id: int) -> Instance:
    box = person.box_xyxy
    return Instance(
        image_id=image_id,
        annotation_id=annotation_id,
        box_xyxy=box.astype(np.float32),
        keypoints=person.keypoints.astype(np.float32),
        visible=person.labelled.astype(np.float32),
        area=float(_AREA_OF_BOX * np.prod(box[2:] - box[:2])),
    )
