"""COCO-WholeBody annotation files: 133 keypoints a person (Jin et al., ECCV 2020)."""

from pathlib import Path

from posedistill.datasets.coco import CocoDataset, read_keypoint_file

# The order in which the parts form the 133 keypoints.
FIELDS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")


def read_wholebody(annotations: Path, images_dir: Path) -> CocoDataset:
    """Read people with 133 keypoints.

    The `*_valid` flags are not consulted, as in the reference (MMPose): the visibility of each
    keypoint says whether it is labelled.
    Raises FileNotFoundError and ValueError that name the file, annotation or image at fault.
    """
    return read_keypoint_file(annotations, images_dir, skeleton="wholebody133", fields=FIELDS)
