"""Pipeline: images and videos in, the poses of all people in them out."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.media import write_image
from posedistill.poses import Poses
from posedistill.runtime.detector import Detector, embedded_detectors
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.session import OnnxSession
from posedistill.runtime.video_stages import VideoSettings
from posedistill.spec import Spec
from posedistill.video import Frame
from tests.detector_nets import write_own

WriteModel = Callable[..., Path]
Image = NDArray[np.uint8]
PLAIN = VideoSettings(track=False, smooth="none")
SPEC = Spec("dot", "coco17", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.25)


@pytest.fixture
def model(write_dot_model: WriteModel) -> Path:
    """Write a model that finds left joints at red, right ones at green, the nose at blue."""
    return write_dot_model(spec=SPEC)


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """Write a detector of cells of 8 x 8 pixels that are red, in images of 64 x 64."""
    return write_own(tmp_path / "detector.onnx")


def _person(image: Image, left: int, top: int) -> Image:
    """Paint a red square of 8 pixels with a green and a blue corner."""
    image[top : top + 8, left : left + 8, 0] = 200
    image[top : top + 2, left : left + 2] = (255, 0, 0)
    image[top : top + 2, left + 6 : left + 8] = (200, 255, 0)
    image[top + 6 : top + 8, left + 3 : left + 5] = (200, 0, 255)
    return image


def _black(size_wh: tuple[int, int] = (64, 64)) -> Image:
    return np.zeros((size_wh[1], size_wh[0], 3), np.uint8)


def _frames(images: Sequence[Image]) -> list[Frame]:
    return [Frame(index, index / 25, image) for index, image in enumerate(images)]


def _noise(seed: int, size_wh: tuple[int, int] = (64, 64)) -> Image:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)


def _assert_same(some: Poses, others: Poses) -> None:
    np.testing.assert_allclose(some.keypoints, others.keypoints, atol=1e-3)
    np.testing.assert_allclose(some.scores, others.scores, atol=1e-5)
    np.testing.assert_allclose(some.boxes_xyxy, others.boxes_xyxy)
    np.testing.assert_allclose(some.box_scores, others.box_scores)


def test_without_a_detector_the_whole_image_is_one_person(model: Path) -> None:
    image = _noise(0, (80, 60))
    with Pipeline(model, detector="none", threads=1) as pipeline:
        poses = pipeline(image)
        _assert_same(poses, pipeline.estimator(image, [[0, 0, 80, 60]]))
    assert poses.boxes_xyxy.tolist() == [[0, 0, 80, 60]]


def test_with_a_detector_the_people_are_those_it_finds(model: Path, detector: Path) -> None:
    image = _person(_person(_black(), 8, 16), 40, 32)
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        poses = pipeline(image)
        (found,) = Detector(detector)([image])
    assert len(poses) == 2
    np.testing.assert_allclose(poses.boxes_xyxy, found.boxes_xyxy)
    np.testing.assert_allclose(poses.box_scores, found.scores)
    nose = poses.keypoints[np.argsort(poses.boxes_xyxy[:, 0]), 0]
    np.testing.assert_allclose(nose, [(11.5, 22.5), (43.5, 38.5)], atol=1.0)


def test_where_nobody_is_found_there_are_no_poses(model: Path, detector: Path) -> None:
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        assert len(pipeline(_black())) == 0
        assert [len(poses) for poses in pipeline.images([_black()] * 3)] == [0, 0, 0]


def test_a_file_is_read_and_an_array_is_taken(model: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", _noise(1))
    with Pipeline(model, detector="none", threads=1) as pipeline:
        _assert_same(pipeline(tmp_path / "a.png"), pipeline(_noise(1)))
        _assert_same(pipeline(str(tmp_path / "a.png")), pipeline(_noise(1)))
        with pytest.raises(FileNotFoundError, match="none.png"):
            pipeline(tmp_path / "none.png")
        with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
            pipeline(np.zeros((4, 5), np.uint8))


def test_an_opened_detector_may_be_given(model: Path, detector: Path) -> None:
    image = _person(_black(), 8, 16)
    with Detector(detector, score_threshold=0.95) as strict:
        with Pipeline(model, detector=strict, threads=1) as pipeline:
            assert len(pipeline(image)) == 0
        assert len(strict([image])[0]) == 0  # still open


def test_without_a_word_the_detector_of_the_package_is_taken(model: Path) -> None:
    with Pipeline(model) as pipeline:
        assert pipeline.detector is not None
        assert pipeline.detector.path.stem == embedded_detectors()[0]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_images_together_give_what_each_gives_alone(
    model: Path, detector: Path, tmp_path: Path, batch: int
) -> None:
    images = [_person(_noise(n, (64 + 8 * n, 64)) // 4, 8 * n, 16) for n in range(7)]
    write_image(tmp_path / "3.png", images[3])
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        alone = [pipeline(image) for image in images]
        given: list[Image | Path] = [*images[:3], tmp_path / "3.png", *images[4:]]
        together = list(pipeline.images(given, batch=batch))
    assert len(together) == 7
    for one, other in zip(alone, together, strict=True):
        _assert_same(one, other)


def test_an_image_that_cannot_be_read_comes_after_those_before_it(model: Path) -> None:
    seen: list[Poses] = []
    with Pipeline(model, detector="none", threads=1) as pipeline:
        images = pipeline.images([_noise(0), _noise(1), "none.png", _noise(2)], batch=1)
        with pytest.raises(FileNotFoundError, match="none.png"):
            seen.extend(images)
    assert len(seen) == 2


def test_frames_together_give_what_each_gives_alone(model: Path, detector: Path) -> None:
    images = [_person(_person(_black(), 8 * n, 16), 56 - 8 * n, 40) for n in range(7)]
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        done = list(pipeline.video(_frames(images), settings=PLAIN))
        for image, frame in zip(images, done, strict=True):
            assert frame.frame.image_rgb is image
            _assert_same(frame.poses, pipeline(image))
            assert frame.poses.ids is None
            assert frame.poses.raw_keypoints is None
    assert [frame.frame.index for frame in done] == list(range(7))


def test_people_get_ids_and_are_smoothed(model: Path, detector: Path) -> None:
    images = [_person(_person(_black(), 8, 16), 40, 32) for _ in range(8)]
    for image in images[::2]:  # the left nose jitters
        image[22:24, 11:13] = (200, 0, 0)
        image[22:24, 14:16] = (200, 0, 255)
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        done = [frame.poses for frame in pipeline.video(_frames(images))]
        raw = [frame.poses for frame in pipeline.video(_frames(images), settings=PLAIN)]
    noses = []
    for smooth, plain in zip(done, raw, strict=True):
        assert smooth.raw_keypoints is not None
        np.testing.assert_allclose(smooth.raw_keypoints, plain.keypoints)
        assert smooth.ids is not None
        order = np.argsort(smooth.boxes_xyxy[:, 0])
        noses.append((smooth.ids[order], smooth.keypoints[order, 0], plain.keypoints[order, 0]))
    ids, smoothed, plain_noses = map(np.stack, zip(*noses, strict=True))
    assert (ids == ids[0]).all()
    assert len(set(ids[0].tolist())) == 2
    assert smoothed[2:, 0].std(axis=0)[0] < 0.7 * plain_noses[2:, 0].std(axis=0)[0]
    np.testing.assert_allclose(smoothed[:, 1], plain_noses[:, 1], atol=1e-4)


def test_between_detections_people_are_followed(model: Path, detector: Path) -> None:
    images = [_person(_black(), 8 + 2 * n, 16) for n in range(5)]
    for image in images[1:]:
        _person(image, 40, 48)  # comes when nobody looks
    settings = VideoSettings(detect_every=4, smooth="none")
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        done = [frame.poses for frame in pipeline.video(_frames(images), settings=settings)]
        (first,) = pipeline.find(images[:1])
    assert [len(poses) for poses in done] == [1, 1, 1, 1, 2]
    for n, poses in enumerate(done[:4]):
        np.testing.assert_allclose(poses.keypoints[0, 0], (11.5 + 2 * n, 22.5), atol=1.2)
        assert poses.box_scores[0] == first.scores[0]
        assert poses.ids is not None
        assert poses.ids.tolist() == [1]
    assert (np.diff([poses.boxes_xyxy[0, 0] for poses in done[:4]]) > 0).all()


def test_one_person_is_followed_without_a_detector(model: Path) -> None:
    images = [_person(_black((128, 96)), 40 + n, 30) for n in range(6)]
    images += [_black((128, 96))] * 2
    settings = VideoSettings(one_person=True, smooth="none")
    with Pipeline(model, detector="none", threads=1) as pipeline:
        done = [frame.poses for frame in pipeline.video(_frames(images), settings=settings)]
    boxes = np.stack([poses.boxes_xyxy[0] for poses in done])
    assert boxes[0].tolist() == [0, 0, 128, 96]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    assert (np.diff(areas[:5]) < 0).all()  # closer and closer
    for n, poses in enumerate(done[:6]):
        x1, y1, x2, y2 = poses.boxes_xyxy[0]
        assert x1 <= 40 + n
        assert x2 >= 47 + n
        assert y1 <= 30
        assert y2 >= 37
    assert boxes[-1].tolist() == [0, 0, 128, 96]  # lost, so everything again


def test_one_person_is_found_anew_by_the_detector(model: Path, detector: Path) -> None:
    both = _person(_person(_black(), 8, 16), 40, 32)
    both[33:39, 41:47, 0] = 255  # the surer one
    images = [_black(), both, both]
    settings = VideoSettings(one_person=True, smooth="none")
    with Pipeline(model, detector=detector, threads=1) as pipeline:
        done = [frame.poses for frame in pipeline.video(_frames(images), settings=settings)]
    assert [len(poses) for poses in done] == [0, 1, 1]
    assert done[1].boxes_xyxy.tolist() == [[39, 31, 49, 41]]


def test_leaving_a_video_early_stops_its_threads_and_leaves_the_source(model: Path) -> None:
    is_closed = threading.Event()

    def endless() -> Iterator[Frame]:
        try:
            for n in count():
                yield Frame(n, n / 25, _black())
        finally:
            is_closed.set()

    with Pipeline(model, detector="none", threads=1) as pipeline:
        frames = pipeline.video(endless(), settings=PLAIN)
        next(frames)
        frames.close()  # type: ignore[attr-defined]
    assert is_closed.is_set()
    assert not [t for t in threading.enumerate() if t.name.startswith("posedistill ")]


def test_a_closed_pipeline_says_so_and_leaves_open_what_it_was_given(model: Path) -> None:
    session = OnnxSession(model, threads=1)
    with Pipeline(session, detector="none") as pipeline:
        poses = pipeline(_noise(0))
    with pytest.raises(ValueError, match="this Pipeline is closed"):
        pipeline(_noise(0))
    with pytest.raises(ValueError, match="this Pipeline is closed"):
        next(pipeline.images([_noise(0)]))
    with Pipeline(session, detector="none") as another:
        _assert_same(another(_noise(0)), poses)


def test_networks_are_loaded_when_they_are_needed() -> None:
    pipeline = Pipeline("none.onnx", detector="none")  # nothing is wrong so far
    with pytest.raises(FileNotFoundError, match="none.onnx"):
        pipeline(_noise(0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"detect_every": 0}, "detect_every is 0; expected 1 or more"),
        ({"batch": 0}, "batch is 0; expected 1 or more"),
        ({"smooth": "median"}, "smooth is 'median'; expected one of one-euro, none"),
        ({"track": False}, "without track, give smooth='none'"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(VideoSettings(), **wrong)  # type: ignore[arg-type]


def test_skipping_frames_needs_a_detector(model: Path) -> None:
    settings = VideoSettings(detect_every=2)
    with (
        Pipeline(model, detector="none", threads=1) as pipeline,
        pytest.raises(ValueError, match="detect_every is 2, but there is no detector"),
    ):
        next(pipeline.video(_frames([_noise(0)]), settings=settings))


def test_batches_hold_something(model: Path) -> None:
    with (
        Pipeline(model, detector="none", threads=1) as pipeline,
        pytest.raises(ValueError, match="batch is 0; expected 1 or more"),
    ):
        next(pipeline.images([_noise(0)], batch=0))
