"""Made-up images with poses: of any number, with and without what a file may leave out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from posedistill.formats.image_poses import ImagePoses
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

FLOAT_ARRAYS = ("keypoints", "scores", "boxes_xyxy", "box_scores", "raw_keypoints")
_names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=12
)
_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
_whole = st.integers(-(2**63) + 1, 2**63 - 1)


def random_poses(n: int, seed: int = 0, skeleton: str = "wholebody133") -> Poses:
    """Give persons, some of whose joints are absent by a score of 0 or less."""
    rng = np.random.default_rng(seed)
    found = Skeleton.get(skeleton)
    k = len(found)
    low = rng.uniform(-50, 500, (n, 2))
    scores = rng.normal(0.4, 0.4, (n, k)).astype(np.float32)
    scores[rng.random((n, k)) < 0.1] = 0
    return Poses(
        keypoints=rng.uniform(-100, 4000, (n, k, 2)).astype(np.float32),
        scores=scores,
        boxes_xyxy=np.concatenate([low, low + rng.uniform(1, 900, (n, 2))], 1).astype(np.float32),
        box_scores=rng.uniform(0, 1, n).astype(np.float32),
        skeleton=found,
    )


def tracked(poses: Poses, seed: int = 0) -> Poses:
    """Give the persons with track ids and raw keypoints."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 3, poses.keypoints.shape).astype(np.float32)
    return replace(
        poses, ids=rng.permutation(len(poses)) + 5, raw_keypoints=poses.keypoints + shift
    )


@st.composite
def image_lists(draw: st.DrawFn, skeleton: str = "coco17") -> list[ImagePoses]:
    """Give images of 0 to 3 persons; either all persons of a list have raw keypoints or none."""
    has_raw = draw(st.booleans())
    image_ids = draw(st.lists(_whole, unique=True, max_size=3))
    return [_image(draw, image_id, skeleton, has_raw) for image_id in image_ids]


def _image(draw: st.DrawFn, image_id: int, skeleton: str, has_raw: bool) -> ImagePoses:
    n, seed = draw(st.integers(0, 3)), draw(st.integers(0, 99))
    poses = random_poses(n, seed, skeleton)
    if n:
        poses.keypoints[0, 3, 1], poses.scores[0, 4] = draw(_floats), draw(_floats)
        poses.box_scores[0] = draw(_floats)
        ids = np.array(draw(st.lists(st.integers(0, 2**63 - 1), min_size=n, max_size=n)))
        poses = replace(
            poses,
            ids=ids.astype(np.int64) if draw(st.booleans()) else None,
            raw_keypoints=tracked(poses).raw_keypoints if has_raw else None,
        )
    return ImagePoses(
        image_id=image_id,
        poses=poses,
        file_name=draw(st.none() | _names),
        size_wh=draw(st.none() | st.tuples(*[st.integers(1, 2**31)] * 2)),
        time_s=draw(st.none() | st.floats(-1e9, 1e9)),
    )


def assert_same_images(
    found: Sequence[ImagePoses], wanted: Sequence[ImagePoses], *, are_boxes_exact: bool = True
) -> None:
    """Compare all that images hold; numbers exactly, but for boxes that became x, y, w, h."""
    assert [_named(image) for image in found] == [_named(image) for image in wanted]
    for image, other in zip(found, wanted, strict=True):
        assert_same_poses(image.poses, other.poses, are_boxes_exact=are_boxes_exact)


def _named(image: ImagePoses) -> tuple[object, ...]:
    return image.image_id, image.file_name, image.size_wh, image.time_s


def assert_same_poses(found: Poses, wanted: Poses, *, are_boxes_exact: bool = True) -> None:
    assert found.skeleton is wanted.skeleton
    for name in FLOAT_ARRAYS:
        first, second = getattr(found, name), getattr(wanted, name)
        if name == "boxes_xyxy" and not are_boxes_exact:
            # x + (x2 - x) in 64 bits: a unit in the last place of 32 bits at most
            np.testing.assert_allclose(first, second, rtol=2**-23, atol=1e-9)
        elif first is None or second is None:
            assert first is second
        else:
            assert first.dtype == np.float32
            np.testing.assert_array_equal(first, second)
    ids = [None if poses.ids is None else poses.ids.tolist() for poses in (found, wanted)]
    assert ids[0] == ids[1]
