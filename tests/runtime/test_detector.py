"""Detection: networks whose answer is known, in the three layouts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from posedistill.runtime.detector import Boxes, Detector, embedded_detectors
from tests.detector_nets import SIDE, float_port, save_net, write_suppressed, write_yolox

Image = NDArray[np.uint8]
RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def yolox(tmp_path: Path) -> Path:
    return write_yolox(tmp_path / "yolox.onnx")


@pytest.fixture
def suppressed(tmp_path: Path) -> Path:
    return write_suppressed(tmp_path / "suppressed.onnx")


def _image(*places: tuple[int, int, int], size_wh: tuple[int, int] = (SIDE, SIDE)) -> Image:
    """Give a black image with blue squares: left, top, side."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for left, top, side in places:
        image[top : top + side, left : left + side] = RGB["blue"]
    return image


def test_blue_squares_are_found_where_they_are(yolox: Path) -> None:
    (found,) = Detector(yolox)([_image((8, 40, 8), (32, 32, 32))])
    wanted = {(8, 40, 16, 48)}  # and in the large square each cell of each grid
    for stride in (8, 16, 32):
        places = range(32, 64, stride)
        wanted |= {(x, y, x + stride, y + stride) for x in places for y in places}
    assert set(map(tuple, np.rint(found.boxes_xyxy).astype(int).tolist())) == wanted
    assert len(found) == len(wanted)
    assert found.scores.tolist() == pytest.approx([1] * len(wanted))
    assert found.boxes_xyxy.dtype == found.scores.dtype == np.float32


def test_overlapping_boxes_leave_the_surest(tmp_path: Path) -> None:
    image = _image((16, 16, 8))
    image[16:24, 24:32] = (0, 0, 200)
    path = write_yolox(tmp_path / "large.onnx", size=(5, 5))
    (found,) = Detector(path, score_threshold=0.6)([image])
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 40, 40]], atol=1e-4)
    (both,) = Detector(path, score_threshold=0.6, nms_threshold=0.9)([image])
    assert len(both) == 2
    assert both.scores.tolist() == pytest.approx([1, 200 / 255])


@pytest.mark.parametrize(("color", "count"), [("red", 0), ("green", 0), ("blue", 1)])
def test_channels_come_as_blue_green_red(color: str, count: int, yolox: Path) -> None:
    image = _image()
    image[8:16, 8:16] = RGB[color]
    (found,) = Detector(yolox)([image])
    assert len(found) == count


def test_of_yolox_another_class_is_found_when_asked_for(yolox: Path) -> None:
    image = _image((8, 16, 8), (40, 40, 8))
    image[16:24, 8:16, 0] = 255  # class 1 is red
    (found,) = Detector(yolox, class_index=1)([image])
    np.testing.assert_allclose(found.boxes_xyxy, [[8, 16, 16, 24]], atol=1e-4)


def test_of_a_file_that_suppresses_another_class_is_given_when_asked_for(suppressed: Path) -> None:
    (found,) = Detector(suppressed, class_index=1)([_image()])
    assert found.boxes_xyxy.tolist() == [[2, 2, 9, 9]]
    assert found.scores.tolist() == pytest.approx([0.8])


def test_boxes_are_in_pixels_of_the_image(yolox: Path) -> None:
    # Shrunk by 4 to 64x32; its blue square of 32 pixels fills one cell of 8.
    image = _image((64, 96, 32), size_wh=(256, 128))
    (found,) = Detector(yolox, score_threshold=0.9)([image])
    np.testing.assert_allclose(found.boxes_xyxy, [[64, 96, 96, 128]], atol=1e-3)


def test_the_grey_around_the_image_is_seen_by_the_network(yolox: Path) -> None:
    image = _image(size_wh=(64, 16))
    (found,) = Detector(yolox, score_threshold=0.44)([image])
    assert found.scores.tolist() == pytest.approx([114 / 255] * len(found))
    assert found.boxes_xyxy[:, 1].min() == 16


def test_where_nobody_is_the_boxes_are_empty(yolox: Path) -> None:
    (found,) = Detector(yolox)([_image()])
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert len(found) == 0


def test_no_images_give_no_boxes(yolox: Path) -> None:
    assert Detector(yolox)([]) == []


def _assert_same(some: Sequence[Boxes], others: Sequence[Boxes]) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-4)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


@pytest.mark.parametrize("batch", ["batch", 1, 2, 4])
def test_several_images_give_what_each_alone_gives(batch: int | str, tmp_path: Path) -> None:
    images = [_image((8 * i, 8, 8), size_wh=(64, 32 + 16 * i)) for i in range(3)]
    detector = Detector(write_yolox(tmp_path / "yolox.onnx", batch=batch))
    together = detector(images)
    _assert_same(together, [detector([image])[0] for image in images])
    assert together[0].boxes_xyxy[0].tolist() != together[2].boxes_xyxy[0].tolist()


@pytest.mark.parametrize("batch", ["batch", 4])
def test_more_images_than_run_together_keep_their_order(batch: int | str, tmp_path: Path) -> None:
    detector = Detector(write_yolox(tmp_path / "yolox.onnx", batch=batch), score_threshold=0.9)
    places = [(8 * (i % 8), 8 * (i // 8), 8) for i in range(19)]
    found = detector([_image(place) for place in places])
    assert [np.rint(boxes.boxes_xyxy[0, :2]).tolist() for boxes in found] == [
        [left, top] for left, top, _ in places
    ]


def test_a_file_of_any_input_size_takes_640_pixels(tmp_path: Path) -> None:
    detector = Detector(write_yolox(tmp_path / "yolox.onnx", side="side"))
    assert detector.input_size_wh == (640, 640)
    (found,) = detector([_image((8, 8, 8), size_wh=(640, 640))])
    np.testing.assert_allclose(found.boxes_xyxy, [[8, 8, 16, 16]], atol=1e-3)


def test_a_file_that_suppresses_gives_its_people_by_score(suppressed: Path) -> None:
    image = np.full((128, 128, 3), (30, 20, 10), np.uint8)  # on a canvas of half its size
    (found,) = Detector(suppressed)([image])
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    np.testing.assert_allclose(
        found.boxes_xyxy, [[20, 40, 660, 400], [0, 0, 16, 32]], rtol=1e-5, atol=1e-4
    )


def test_a_file_that_suppresses_is_cut_off_at_the_score(suppressed: Path) -> None:
    detector = Detector(suppressed, score_threshold=0.6)
    assert len(detector([np.full((SIDE, SIDE, 3), 9, np.uint8)])[0]) == 1


@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_of_files_that_suppress_images_stay_apart(batch: int | str, tmp_path: Path) -> None:
    images = [np.full((SIDE, SIDE, 3), value, np.uint8) for value in (5, 60, 99)]
    detector = Detector(write_suppressed(tmp_path / "suppressed.onnx", batch))
    found = detector(images)
    assert [round(float(boxes.boxes_xyxy[0, 0])) for boxes in found] == [5, 60, 99]


def test_normalised_input_is_that_of_rtmdet(suppressed: Path) -> None:
    image = np.full((SIDE, SIDE, 3), (190, 180, 170), np.uint8)
    (found,) = Detector(suppressed, normalise=True)([image])
    bgr = (np.array([170, 180, 190]) - (103.53, 116.28, 123.675)) / (57.375, 57.12, 58.395)
    np.testing.assert_allclose(found.boxes_xyxy[0, :3], bgr + (0, 0, 300), rtol=1e-5)


def test_boxes_without_area_are_left_out(suppressed: Path) -> None:
    image = np.full((SIDE, SIDE, 3), 220, np.uint8)  # y1 = 220, y2 = 200
    (found,) = Detector(suppressed)([image])
    assert found.boxes_xyxy.tolist() == [[0, 0, 8, 16]]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no such model file: none\.onnx"):
        Detector("none.onnx")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="yolo-nobody"):
        Detector("yolo-nobody")


def test_a_published_name_is_looked_up(
    tmp_path: Path, yolox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path))
    yolox.rename(tmp_path / "yolox_nano.onnx")
    assert Detector("yolox-nano").path == tmp_path / "yolox_nano.onnx"


def test_a_pose_network_is_no_detector(write_dot_model: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"no detector .* simcc_x"):
        Detector(write_dot_model())


def test_a_file_with_another_input_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["images"], ["output"])
    ports = [float_port("images", 1, 84, 7)], [float_port("output", 1, 84, 7)]
    path = save_net(tmp_path / "flat.onnx", [node], ports=ports, arrays={})
    with pytest.raises(ValueError, match=r"expected one tensor\(float\) \(N, 3, h, w\)"):
        Detector(path)


def test_what_is_no_image_is_refused(yolox: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        Detector(yolox)([np.zeros((4, 4), np.uint8)])


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1, float("inf")])
@pytest.mark.parametrize("name", ["score_threshold", "nms_threshold"])
def test_a_threshold_that_is_no_share_is_refused(yolox: Path, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}; expected 0 to 1"):
        Detector(yolox, **{name: value})  # type: ignore[arg-type]


def test_a_negative_class_is_refused(yolox: Path) -> None:
    with pytest.raises(ValueError, match="class_index is -1"):
        Detector(yolox, class_index=-1)


@pytest.mark.parametrize("size", [(100, 0), (np.nan, 0)], ids=["infinite", "NaN"])
@pytest.mark.filterwarnings("error")
def test_boxes_of_a_broken_network_are_an_error(tmp_path: Path, size: tuple[float, float]) -> None:
    path = write_yolox(tmp_path / "broken.onnx", size=tuple(np.exp(size)))
    detector = Detector(path)
    assert len(detector([_image()])[0]) == 0  # it is sure of nobody: its boxes are not looked at
    with pytest.raises(ValueError, match=r"broken\.onnx: the network gives NaN or infinite"):
        detector([_image((8, 8, 8))])


def test_a_closed_detector_says_so(yolox: Path) -> None:
    with Detector(yolox) as detector:
        assert len(detector([_image((8, 8, 8))])[0]) == 1
    with pytest.raises(ValueError, match=r"yolox\.onnx is closed"):
        detector([_image()])


def test_a_detector_of_the_package_goes_by_its_name(
    yolox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posedistill.runtime.detector._ASSETS", tmp_path)
    assert embedded_detectors() == ["yolox"]
    assert Detector("yolox").path == yolox


def test_an_image_of_one_pixel_is_looked_at(yolox: Path) -> None:
    (found,) = Detector(yolox, score_threshold=0.9)([_image((0, 0, 1), size_wh=(1, 1))])
    assert found.boxes_xyxy.min() == pytest.approx(0)  # the whole input is this pixel
    assert found.boxes_xyxy.max() == pytest.approx(1)


def test_the_device_is_that_of_sessions(yolox: Path) -> None:
    assert Detector(yolox, device="cpu").provider == "CPUExecutionProvider"
    with pytest.raises(ValueError, match="gpu"):
        Detector(yolox, device="gpu")
