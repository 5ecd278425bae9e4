"""Augmentation: pixels and keypoints move together, and each change stays in its bounds."""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.crop import box_matrices, transform_points, warp
from posedistill.datasets.coco import CocoDataset
from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import Instance, read_reduced
from posedistill.datasets.joint import JointDataset, Source
from posedistill.skeleton import Skeleton
from posedistill.train.augment import AugmentConfig, Sample, augment, augment_from

Image = NDArray[np.uint8]
SKELETON = Skeleton.get("coco17")
SIZE_WH = (192, 256)
NOTHING = AugmentConfig(
    flip=0, half_body=0, shift_probability=0, scale=(1.0, 1.0), rotation_probability=0,
    hsv=(0, 0, 0), blur=0, median_blur=0, dropout=0,
)  # fmt: skip
CHANGES = {
    "flip": replace(NOTHING, flip=1),
    "rotation": replace(NOTHING, rotation_probability=1),
    "scale": replace(NOTHING, scale=(0.6, 1.4)),
    "shift": replace(NOTHING, shift_probability=1),
    "half body": replace(NOTHING, half_body=1),
    "all at once": replace(
        AugmentConfig(), hsv=(0, 0, 0), blur=0, median_blur=0, dropout=0, flip=0.5
    ),
}
BOX = np.array([90.0, 40, 230, 300], np.float32)


def _dots() -> tuple[Image, Instance]:
    """Give a black image with 17 dots of as many greys, and the person of those keypoints."""
    image = np.zeros((340, 320, 3), np.uint8)
    columns, rows = np.meshgrid([110, 140, 175, 210], [70, 120, 170, 220, 270])
    points = np.stack([columns.ravel(), rows.ravel()], axis=-1)[:17]
    for index, (x, y) in enumerate(points):
        cv2.circle(image, (int(x), int(y)), 7, [80 + 10 * index] * 3, -1)
    return image, _person(points.astype(np.float32))


def _person(keypoints: NDArray[np.float32], visible: NDArray[np.float32] | None = None) -> Instance:
    shown = np.ones(len(keypoints), np.float32) if visible is None else visible
    return Instance(1, 1, BOX, keypoints, shown, area=1000.0)


def _augment(image: Image, person: Instance, config: AugmentConfig, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    return augment(image, person, skeleton=SKELETON, size_wh=SIZE_WH, config=config, rng=rng)


def _noise(seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(1, 256, (340, 320, 3), np.uint8)


def _uniform(value: int = 200) -> Image:
    return np.full((2000, 2000, 3), value, np.uint8)


def test_without_changes_it_is_the_plain_crop() -> None:
    image, person = _noise(), _dots()[1]
    matrix = box_matrices(person.box_xyxy, SIZE_WH)[0]
    sample = _augment(image, person, NOTHING)
    np.testing.assert_array_equal(sample.image, warp(image, matrix, SIZE_WH).transpose(2, 0, 1))
    np.testing.assert_allclose(sample.keypoints, transform_points(person.keypoints, matrix))
    np.testing.assert_array_equal(sample.visible, person.visible)


def test_the_same_generator_gives_the_same_sample() -> None:
    image, person = _noise(), _dots()[1]
    first, second, other = (_augment(image, person, AugmentConfig(), s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert not np.array_equal(first.keypoints, other.keypoints)


def test_the_image_that_is_read_stays_as_it_was() -> None:
    image, person = _noise(), _dots()[1]
    before, keypoints = image.copy(), person.keypoints.copy()
    for seed in range(3):
        _augment(image, person, replace(AugmentConfig(), half_body=1), seed)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(person.keypoints, keypoints)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("change", CHANGES)
def test_dots_stay_under_their_keypoints(change: str, seed: int) -> None:
    image, person = _dots()
    sample = _augment(image, person, CHANGES[change], seed)
    inside, plain = _is_inside(sample), 80 + 10 * np.arange(17)
    mirrored = plain[SKELETON.flip_permutation]  # a mirrored left hand is a right hand
    chance = CHANGES[change].flip
    wanted = [plain] * (chance < 1) + [mirrored] * (chance > 0)
    errors = [np.abs(_greys(sample) - greys)[inside].max() for greys in wanted]
    assert inside.sum() >= 4
    assert min(errors) <= 1


def _is_inside(sample: Sample) -> NDArray[np.bool_]:
    rounded = np.rint(sample.keypoints)
    return np.asarray(((rounded >= 0) & (rounded < SIZE_WH)).all(axis=-1))


def _greys(sample: Sample) -> NDArray[np.int64]:
    """Give the grey under each keypoint, 0 outside the crop."""
    inside = _is_inside(sample)
    x, y = np.where(inside[:, None], np.rint(sample.keypoints), 0).astype(int).T
    return np.where(inside, sample.image[0, y, x], 0).astype(np.int64)


def test_a_flip_mirrors_the_crop_and_swaps_left_and_right() -> None:
    image, person = _noise(), _dots()[1]
    visible = person.visible.copy()
    visible[SKELETON.joints.index("left_wrist")] = 0
    person = _person(person.keypoints, visible)
    plain, flipped = _augment(image, person, NOTHING), _augment(image, person, CHANGES["flip"])
    swapped = plain.keypoints[SKELETON.flip_permutation]
    np.testing.assert_allclose(flipped.keypoints, [SIZE_WH[0], 0] + swapped * [-1, 1], atol=1e-9)
    assert flipped.visible[SKELETON.joints.index("right_wrist")] == 0
    assert flipped.visible.sum() == 16
    # The mirror line lies between pixels w/2 - 1 and w/2 plus a half: one column to the right.
    mirrored = plain.image[:, :, ::-1].astype(int)
    np.testing.assert_allclose(flipped.image[:, :, 1:], mirrored[:, :, :-1], atol=1)


def _similarity(sample: Sample, person: Instance) -> tuple[float, float]:
    """Give the factor and the angle in degrees by which a sample turned its person."""
    before, after = (np.diff(p[[0, 16]], axis=0)[0] for p in (person.keypoints, sample.keypoints))
    ratio = complex(*after) / complex(*before)
    return abs(ratio), float(np.degrees(np.angle(ratio)))


def test_scales_and_angles_fill_their_ranges_and_no_more() -> None:
    image, person = np.zeros((8, 8, 3), np.uint8), _dots()[1]
    config = replace(NOTHING, scale=(0.6, 1.4), rotation_probability=1)
    plain, _ = _similarity(_augment(image, person, NOTHING), person)
    seen = np.array([_similarity(_augment(image, person, config, s), person) for s in range(400)])
    scales, angles = plain / seen[:, 0], seen[:, 1]
    # Both are a normal distribution cut off at one sigma: mean 0, spread 0.54 of the range.
    for values, middle, half in ((scales, 1.0, 0.4), (angles, 0.0, 80.0)):
        parts = (values - middle) / half
        assert 0.95 < np.abs(parts).max() <= 1 + 1e-9
        assert abs(parts.mean()) < 4 * 0.54 / 20
        assert parts.std() == pytest.approx(0.54, abs=0.05)


def test_shifts_are_parts_of_the_box_as_often_as_said() -> None:
    image, person = np.zeros((8, 8, 3), np.uint8), _dots()[1]
    config = replace(NOTHING, shift_probability=0.3)
    plain = _augment(image, person, NOTHING).keypoints
    moves = np.array(
        [(_augment(image, person, config, s).keypoints - plain)[0] for s in range(400)]
    )
    moved = np.abs(moves).max(axis=1) > 1e-9
    assert moved.mean() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 400) ** 0.5)
    # 0.16 of the padded box, which is 175 x 325 pixels seen at 256 / 325.
    factor = SIZE_WH[1] / (1.25 * 260)
    limits = 0.16 * 1.25 * np.array([140, 260]) * factor
    assert (np.abs(moves) <= limits + 1e-9).all()
    assert (np.abs(moves).max(axis=0) > 0.9 * limits).all()


def test_half_body_shows_the_upper_or_the_lower_joints() -> None:
    image, person = _dots()
    seen = set()
    for seed in range(20):
        points = _augment(image, person, CHANGES["half body"], seed).keypoints
        middle = {
            name: points[list(half)].mean(axis=0)
            for name, half in (("upper", SKELETON.upper), ("lower", SKELETON.lower))
        }
        nearest = min(middle, key=lambda name: float(np.abs(middle[name] - [96, 128]).max()))
        np.testing.assert_allclose(middle[nearest], [96, 128], atol=1e-6)
        extent = np.ptp(points[list(getattr(SKELETON, nearest))], axis=0)
        assert (extent * 1.5 / SIZE_WH).max() == pytest.approx(1)
        seen.add(nearest)
    assert seen == {"upper", "lower"}


def test_half_body_leaves_people_with_few_visible_joints_whole() -> None:
    image, person = _dots()
    few = _person(person.keypoints, (np.arange(17) < 8).astype(np.float32))
    plain, half = (_augment(image, few, CHANGES[c] if c else NOTHING) for c in ("", "half body"))
    np.testing.assert_array_equal(half.keypoints, plain.keypoints)


def test_half_body_takes_the_half_that_has_enough_visible_joints() -> None:
    image, person = _dots()
    keep = list(SKELETON.upper)
    upper = _person(person.keypoints, np.isin(np.arange(17), keep).astype(np.float32))
    for seed in range(8):
        points = _augment(image, upper, CHANGES["half body"], seed).keypoints
        np.testing.assert_allclose(points[keep].mean(axis=0), [96, 128], atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_dropout_blacks_out_one_rectangle_of_a_fifth_to_two_fifths_a_side(seed: int) -> None:
    person = _dots()[1]
    person = replace(person, box_xyxy=person.box_xyxy + 600)
    sample = _augment(_uniform(), person, replace(NOTHING, dropout=1), seed)
    black = (sample.image == 0).all(axis=0)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    assert black.sum() == len(rows) * len(columns)
    assert np.ptp(rows) + 1 == len(rows)
    assert int(0.2 * 256) <= len(rows) <= 0.4 * 256
    assert int(0.2 * 192) <= len(columns) <= 0.4 * 192
    assert (sample.image[:, ~black] == 200).all()


def test_colours_change_within_their_ranges() -> None:
    person = replace(_dots()[1], box_xyxy=BOX + 600)
    image = np.zeros((2000, 2000, 3), np.uint8)
    image[:] = (120, 90, 60)
    plain = cv2.cvtColor(image[:1, :1], cv2.COLOR_RGB2HSV)[0, 0].astype(int)
    moves = []
    for seed in range(60):
        pixel = _augment(image, person, replace(NOTHING, hsv=(5, 30, 30)), seed).image[:, :1, :1]
        seen = cv2.cvtColor(np.ascontiguousarray(pixel.transpose(1, 2, 0)), cv2.COLOR_RGB2HSV)
        moves.append(seen[0, 0].astype(int) - plain)
    largest = np.abs(moves).max(axis=0)
    assert (largest <= np.array([5, 30, 30]) + 2).all()  # through RGB and back in whole numbers
    assert (largest >= np.array([4, 24, 24])).all()
    assert (np.array(moves) == 0).all(axis=1).any()


@pytest.mark.parametrize(
    "config", [replace(NOTHING, blur=1), replace(NOTHING, median_blur=1)], ids=["mean", "median"]
)
def test_blurs_smooth_noise(config: AugmentConfig) -> None:
    image, person = _noise(), _dots()[1]
    plain = _augment(image, person, NOTHING).image.astype(float)
    blurred = _augment(image, person, config).image.astype(float)
    steps = [np.abs(np.diff(crop, axis=2)).mean() for crop in (plain, blurred)]
    assert steps[1] < 0.6 * steps[0]


def test_a_generator_gives_the_samples_that_it_always_gave() -> None:
    """The values are those of the first release, so that published runs can be repeated."""
    image, person = _noise(), _dots()[1]
    config = replace(AugmentConfig(), hsv=(0, 0, 0), blur=0, median_blur=0)
    pixels, places, left = 0, 0, []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sample = augment(image, person, skeleton=SKELETON, size_wh=SIZE_WH, config=config, rng=rng)
        pixels = zlib.crc32(np.ascontiguousarray(sample.image).tobytes(), pixels)
        places = zlib.crc32(np.rint(sample.keypoints * 100).astype("<i4").tobytes(), places)
        left.append(int(rng.integers(1000)))
    assert left == [175, 134, 187, 648, 929, 392, 122, 553, 590, 705, 933, 670]
    assert places == 3324147349
    assert pixels == 226728877


def _plain_colours_and_blurs(crop: Image, rng: np.random.Generator) -> Image:
    """Do step by step what the pipeline says, in the order of its draws."""
    gains = (rng.uniform(-1, 1, 3) * (5, 30, 30) * rng.integers(0, 2, 3)).astype(int)
    if gains.any():
        hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV).astype(int) + gains
        hsv[..., 0] %= 180
        crop = np.asarray(
            cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8
        )
    does_blur, does_median = rng.random(2) < 0.5
    kernels = rng.choice([3, 5, 7], 2).tolist()
    crop = np.asarray(cv2.blur(crop, (kernels[0],) * 2), np.uint8) if does_blur else crop
    return np.asarray(cv2.medianBlur(crop, kernels[1]), np.uint8) if does_median else crop


@pytest.mark.parametrize("seed", range(12))
def test_colours_and_blurs_are_those_of_plain_steps_to_the_bit(seed: int) -> None:
    image, person = _noise(), _dots()[1]
    config = replace(NOTHING, hsv=(5, 30, 30), blur=0.5, median_blur=0.5)
    sample = _augment(image, person, config, seed)
    rng = np.random.default_rng(seed)
    rng.random(2)  # half body, flip
    draws = rng.standard_normal(4)
    while (outside := np.abs(draws) > 1).any():
        draws[outside] = rng.standard_normal(int(outside.sum()))
    rng.random(2)  # shift, rotation
    plain = _augment(image, person, NOTHING, seed).image.transpose(1, 2, 0)
    wanted = _plain_colours_and_blurs(np.ascontiguousarray(plain), rng)
    np.testing.assert_array_equal(sample.image, wanted.transpose(2, 0, 1))


@dataclass(frozen=True, eq=False)
class _Whole:
    """Give the people of a data set, and whole images alone."""

    inner: CocoDataset

    @property
    def skeleton(self) -> Skeleton:
        return self.inner.skeleton

    @property
    def instances(self) -> list[Instance]:
        return list(self.inner.instances)

    def image(self, image_id: int) -> Image:
        return self.inner.image(image_id)


def _photo_of(folder: Path, factor: float) -> CocoDataset:
    """Give the scene of `_dots` as a JPEG of another size, on smooth colours, and its person."""
    image, person = _dots()
    colours = cv2.resize(_noise()[:12, :12], (320, 340), interpolation=cv2.INTER_CUBIC) // 3
    scene = cv2.GaussianBlur(np.where(image > 0, image, colours).astype(np.uint8), (0, 0), 3)
    large = cv2.resize(scene, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", large[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    path = folder / f"photo{factor}.jpg"
    path.write_bytes(data.tobytes())
    points = (person.keypoints + 0.5) * factor - 0.5
    shown = replace(person, box_xyxy=person.box_xyxy * factor, keypoints=points.astype(np.float32))
    return CocoDataset(SKELETON, [shown], {1: path})


def _from(data: CocoDataset | _Whole, seed: int, config: AugmentConfig) -> Sample:
    rng = np.random.default_rng(seed)
    config = replace(config, reduced=True)
    return augment_from(data, data.instances[0], size_wh=SIZE_WH, config=config, rng=rng)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("change", ["flip", "rotation", "scale", "half body", "all at once"])
@pytest.mark.parametrize("factor", [3.0, 6.03, 11.5], ids=["half", "quarter", "eighth"])
def test_a_reduced_image_gives_nearly_the_same_crop_and_the_same_keypoints(
    tmp_path: Path, factor: float, change: str, seed: int
) -> None:
    data = _photo_of(tmp_path, factor)
    config = CHANGES[change]
    sample, whole = _from(data, seed, config), _from(_Whole(data), seed, config)
    np.testing.assert_array_equal(sample.keypoints, whole.keypoints)
    difference = np.abs(sample.image.astype(int) - whole.image)
    # 0.5 and 3 at most; without the shift of (factor - 1) / 2 they reach 1.0 and 12.
    assert difference.mean() < 0.7
    assert np.percentile(difference, 99) < 5


def test_images_are_reduced_as_far_as_the_crop_allows_and_no_further(tmp_path: Path) -> None:
    taken = []

    class Watched(CocoDataset):
        def reduced_image(self, image_id: int, factor: int) -> tuple[Image, int]:
            taken.append(factor)
            return super().reduced_image(image_id, factor)

    for factor in (0.6, 1.5, 3.0, 6.0, 13.0):
        data = _photo_of(tmp_path, factor)
        _from(Watched(SKELETON, data.instances, data.image_paths), 0, NOTHING)
    # The padded box is 325 pixels tall where the crop has 256.
    assert taken == [2, 4, 8]


def test_a_small_person_gives_the_crop_of_the_whole_image_to_the_bit(tmp_path: Path) -> None:
    data = _photo_of(tmp_path, 1.0)
    for seed in range(4):
        sample = _from(data, seed, AugmentConfig())
        whole = _augment(data.image(1), data.instances[0], AugmentConfig(), seed)
        np.testing.assert_array_equal(sample.image, whole.image)
        np.testing.assert_array_equal(sample.keypoints, whole.keypoints)


def test_nothing_is_reduced_unless_it_is_asked_for(tmp_path: Path) -> None:
    data = _photo_of(tmp_path, 13.0)
    rng = np.random.default_rng(0)
    sample = augment_from(data, data.instances[0], size_wh=SIZE_WH, config=NOTHING, rng=rng)
    whole = _augment(data.image(1), data.instances[0], NOTHING, 0)
    np.testing.assert_array_equal(sample.image, whole.image)


def test_joined_data_reduce_where_their_sources_can(tmp_path: Path) -> None:
    data = JointDataset([Source(_photo_of(tmp_path, 13.0)), Source(DrawnPeople(1, size=64))])
    sizes = [read_reduced(data, image_id, factor=8)[1] for image_id in (1, 2)]
    assert sizes == [8, 1]
