"""Detection: networks whose answer is known, and a slow loop beside the suppression."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from posedistill.runtime.detector import Boxes, Detector, decode_yolox, letterbox, suppress

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
WriteNet = Callable[..., Path]
SIDE = 64
RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    *,
    ports: tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]],
    arrays: dict[str, NDArray[np.generic]],
) -> Path:
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "finder", *ports, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def _float(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


@pytest.fixture
def write_yolox(tmp_path: Path) -> WriteNet:
    """Write a net in the layout of YOLOX that finds what is blue in the cells of its grids.

    Input channel 0, blue if the channels are BGR, is the objectness; class 0 is always sure and
    class 1 is channel 2. Each box stands in the middle of its cell, `size` strides wide and high.
    """

    def write(
        *, batch: int | str = "batch", side: int | str = SIDE, size: tuple[float, float] = (1, 1)
    ) -> Path:
        nodes = []
        for stride in (8, 16, 32):
            pool = helper.make_node("AveragePool", ["images"], [f"pool{stride}"])
            sides = [stride, stride]
            pool.attribute.append(helper.make_attribute("kernel_shape", sides))
            pool.attribute.append(helper.make_attribute("strides", sides))
            nodes.append(pool)
            nodes.append(helper.make_node("Conv", [f"pool{stride}", "weights"], [f"map{stride}"]))
            flat = [f"map{stride}", "flat"], [f"flat{stride}"]
            nodes.append(helper.make_node("Reshape", *flat))
        flats = [f"flat{stride}" for stride in (8, 16, 32)]
        nodes.append(helper.make_node("Concat", flats, ["columns"], axis=2))
        nodes.append(helper.make_node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]))
        nodes.append(helper.make_node("Add", ["rows", "offset"], ["output"]))
        weights = np.zeros((7, 3, 1, 1), np.float32)
        weights[4, 0] = weights[6, 2] = 1 / 255
        offset = np.array([0.5, 0.5, *np.log(size), 0, 1, 0], np.float32)
        arrays: dict[str, NDArray[np.generic]] = {"weights": weights, "offset": offset}
        arrays["flat"] = np.array([0, 7, -1], np.int64)
        ports = [_float("images", batch, 3, side, side)], [_float("output", batch, "cells", 7)]
        return _save(tmp_path / "yolox.onnx", nodes, ports=ports, arrays=arrays)

    return write


@pytest.fixture
def write_suppressed(tmp_path: Path) -> WriteNet:
    """Write a net with dets and labels, whose second box is made of the mean of each channel.

    The boxes are (0, 0, 8, 16), (blue, green, 300 + red, 200) and (2, 2, 9, 9), with scores 0.5,
    0.9 and 0.8; the first two are people.
    """

    def write(batch: int | str = "batch") -> Path:
        arrays: dict[str, NDArray[np.generic]] = {
            "pick": np.eye(3, 15, 5, dtype=np.float32),  # the first three numbers of row 1
            "rest": np.array([0, 0, 8, 16, 0.5, 0, 0, 300, 200, 0.9, 2, 2, 9, 9, 0.8], np.float32),
            "shape": np.array([-1, 3, 5], np.int64),
            "classes": np.array([[0, 0, 1]], np.int64),
            "none": np.zeros((3, 3), np.float32),
        }
        nodes = [
            helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
            helper.make_node("MatMul", ["means", "pick"], ["picked"]),
            helper.make_node("Add", ["picked", "rest"], ["numbers"]),
            helper.make_node("Reshape", ["numbers", "shape"], ["dets"]),
            helper.make_node("MatMul", ["means", "none"], ["zeros"]),
            helper.make_node("Cast", ["zeros"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Add", ["whole", "classes"], ["labels"]),
        ]
        labels = helper.make_tensor_value_info("labels", TensorProto.INT64, (batch, "boxes"))
        outputs = [_float("dets", batch, "boxes", 5), labels]
        ports = [_float("images", batch, 3, SIDE, SIDE)], outputs
        return _save(tmp_path / "suppressed.onnx", nodes, ports=ports, arrays=arrays)

    return write


def _image(*places: tuple[int, int, int], size_wh: tuple[int, int] = (SIDE, SIDE)) -> Image:
    """Give a black image with blue squares: left, top, side."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for left, top, side in places:
        image[top : top + side, left : left + side] = RGB["blue"]
    return image


def _slow_suppress(boxes: Floats, scores: Floats, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        x1, y1, x2, y2 = (float(value) for value in boxes[index])
        overlaps = []
        for other in kept:
            u1, v1, u2, v2 = (float(value) for value in boxes[other])
            w = max(0.0, min(x2, u2) - max(x1, u1) + 1)
            h = max(0.0, min(y2, v2) - max(y1, v1) + 1)
            union = (x2 - x1 + 1) * (y2 - y1 + 1) + (u2 - u1 + 1) * (v2 - v1 + 1) - w * h
            overlaps.append(w * h / union)
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(index)
    return kept


def _random_boxes(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    low = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 60, (count, 2))], axis=1)
    scores = rng.permutation(count) / (count + 1)
    return boxes.astype(np.float32), scores.astype(np.float32)


@given(st.integers(0, 1000), st.integers(0, 40), st.sampled_from([0.3, 0.45, 0.65]))
def test_suppression_equals_a_slow_loop(seed: int, count: int, threshold: float) -> None:
    boxes, scores = _random_boxes(np.random.default_rng(seed), count)
    kept = suppress(boxes, scores, threshold=threshold).tolist()
    assert kept == _slow_suppress(boxes, scores, threshold)


def test_an_overlap_of_just_the_threshold_stays() -> None:
    # Of 8 and 4 pixels 4 are shared: 4 / 8; without the 1 of the last pixel it were 1 / 3.
    boxes = np.array([[0, 0, 3, 1], [0, 0, 1, 1]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress(boxes, scores, threshold=0.5).tolist() == [0, 1]
    assert suppress(boxes, scores, threshold=0.49).tolist() == [0]


def _slow_protocol(rows: Floats, size_wh: tuple[int, int]) -> list[list[float]]:
    """Do as the annotator of DWPose: all classes above 0.1, suppressed one by one, then people."""
    cells = [
        (x, y, stride)
        for stride in (8, 16, 32)
        for y in range(size_wh[1] // stride)
        for x in range(size_wh[0] // stride)
    ]
    found = []
    for index in range(rows.shape[1] - 5):
        boxes, scores = [], []
        for row, (x, y, stride) in zip(rows.tolist(), cells, strict=True):
            center = (row[0] + x) * stride, (row[1] + y) * stride
            half = np.exp(row[2]) * stride / 2, np.exp(row[3]) * stride / 2
            if row[4] * row[5 + index] > 0.1:
                low = [center[0] - half[0], center[1] - half[1]]
                boxes.append([*low, center[0] + half[0], center[1] + half[1]])
                scores.append(row[4] * row[5 + index])
        table, column = np.array(boxes, np.float32), np.array(scores, np.float32)
        for kept in _slow_suppress(table, column, 0.45):
            found.append([index, *boxes[kept], scores[kept]])
    return [row[1:] for row in found if row[0] == 0 and row[-1] > 0.3]


def test_people_are_those_of_the_whole_protocol(rng: np.random.Generator) -> None:
    size_wh = (96, 64)
    rows = rng.normal(0, 0.4, (12 * 8 + 6 * 4 + 3 * 2, 8)).astype(np.float32)
    rows[:, 2:4] += 1
    rows[:, 4:] = rng.random((len(rows), 4))
    boxes, scores = decode_yolox(rows, size_wh)
    people = scores[:, 0] > 0.3
    kept = suppress(boxes[people], scores[people, 0], threshold=0.45)
    found = np.c_[boxes[people], scores[people, 0]][kept]
    wanted = np.array(_slow_protocol(rows, size_wh))
    assert 5 < len(wanted) < people.sum()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)  # float32 against float64


@pytest.mark.parametrize(("side", "cells"), [(640, 8400), (416, 3549)])
def test_published_inputs_have_the_published_number_of_cells(side: int, cells: int) -> None:
    boxes, scores = decode_yolox(np.zeros((cells, 85), np.float32), (side, side))
    assert boxes.shape == (cells, 4)
    assert scores.shape == (cells, 80)


def test_cells_of_another_input_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gives 8400 cells .* 416x416; .* gives 3549"):
        decode_yolox(np.zeros((8400, 85), np.float32), (416, 416))


@pytest.mark.parametrize("size_wh", [(100, 30), (30, 100), (17, 17), (64, 64), (3000, 1)])
def test_letterboxed_points_come_back_by_the_ratio(size_wh: tuple[int, int]) -> None:
    image = np.full((size_wh[1], size_wh[0], 3), 50, np.uint8)
    canvas = letterbox(image, (SIDE, SIDE))
    rows, columns = np.nonzero((canvas.image == 50).all(axis=2))
    w, h = columns.max() + 1, rows.max() + 1
    assert max(w, h) == SIDE
    assert (rows.min(), columns.min()) == (0, 0)
    assert (canvas.image[h:] == 114).all()
    assert (canvas.image[:, w:] == 114).all()
    # Sides are cut to whole pixels of the canvas, but the thinnest strip keeps one.
    back = np.array([w, h]) / canvas.ratio
    assert (np.abs(back - size_wh) <= 1 / canvas.ratio + 1e-6).all()


def test_an_image_of_the_size_of_the_input_is_left_as_it_is(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    canvas = letterbox(image, (SIDE, SIDE))
    assert canvas.ratio == 1
    assert np.array_equal(canvas.image, image)


def test_blue_squares_are_found_where_they_are(write_yolox: WriteNet) -> None:
    (found,) = Detector(write_yolox())([_image((8, 40, 8), (32, 32, 32))])
    wanted = {(8, 40, 16, 48)}  # and in the large square each cell of each grid
    for stride in (8, 16, 32):
        places = range(32, 64, stride)
        wanted |= {(x, y, x + stride, y + stride) for x in places for y in places}
    assert set(map(tuple, np.rint(found.boxes_xyxy).astype(int).tolist())) == wanted
    assert len(found) == len(wanted)
    assert found.scores.tolist() == pytest.approx([1] * len(wanted))
    assert found.boxes_xyxy.dtype == found.scores.dtype == np.float32


def test_overlapping_boxes_leave_the_surest(write_yolox: WriteNet) -> None:
    image = _image((16, 16, 8))
    image[16:24, 24:32] = (0, 0, 200)
    path = write_yolox(size=(5, 5))
    (found,) = Detector(path, score_threshold=0.6)([image])
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 40, 40]], atol=1e-4)
    (both,) = Detector(path, score_threshold=0.6, nms_threshold=0.9)([image])
    assert len(both) == 2
    assert both.scores.tolist() == pytest.approx([1, 200 / 255])


@pytest.mark.parametrize(("color", "count"), [("red", 0), ("green", 0), ("blue", 1)])
def test_channels_come_as_blue_green_red(color: str, count: int, write_yolox: WriteNet) -> None:
    image = _image()
    image[8:16, 8:16] = RGB[color]
    (found,) = Detector(write_yolox())([image])
    assert len(found) == count


def test_boxes_are_in_pixels_of_the_image(write_yolox: WriteNet) -> None:
    # Shrunk by 4 to 64x32; its blue square of 32 pixels fills one cell of 8.
    image = _image((64, 96, 32), size_wh=(256, 128))
    (found,) = Detector(write_yolox(), score_threshold=0.9)([image])
    np.testing.assert_allclose(found.boxes_xyxy, [[64, 96, 96, 128]], atol=1e-3)


def test_the_grey_around_the_image_is_seen_by_the_network(write_yolox: WriteNet) -> None:
    image = _image(size_wh=(64, 16))
    (found,) = Detector(write_yolox(), score_threshold=0.44)([image])
    assert found.scores.tolist() == pytest.approx([114 / 255] * len(found))
    assert found.boxes_xyxy[:, 1].min() == 16


def test_where_nobody_is_the_boxes_are_empty(write_yolox: WriteNet) -> None:
    (found,) = Detector(write_yolox())([_image()])
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.scores.shape == (0,)
    assert len(found) == 0


def test_no_images_give_no_boxes(write_yolox: WriteNet) -> None:
    assert Detector(write_yolox())([]) == []


def _assert_same(some: Sequence[Boxes], others: Sequence[Boxes]) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-4)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


@pytest.mark.parametrize("batch", ["batch", 1, 2, 4])
def test_several_images_give_what_each_alone_gives(batch: int | str, write_yolox: WriteNet) -> None:
    images = [_image((8 * i, 8, 8), size_wh=(64, 32 + 16 * i)) for i in range(3)]
    detector = Detector(write_yolox(batch=batch))
    together = detector(images)
    _assert_same(together, [detector([image])[0] for image in images])
    assert together[0].boxes_xyxy[0].tolist() != together[2].boxes_xyxy[0].tolist()


def test_a_file_of_any_input_size_takes_640_pixels(write_yolox: WriteNet) -> None:
    detector = Detector(write_yolox(side="side"))
    assert detector.input_size_wh == (640, 640)
    (found,) = detector([_image((8, 8, 8), size_wh=(640, 640))])
    np.testing.assert_allclose(found.boxes_xyxy, [[8, 8, 16, 16]], atol=1e-3)


def test_a_file_that_suppresses_gives_its_people_by_score(write_suppressed: WriteNet) -> None:
    image = np.full((128, 128, 3), (30, 20, 10), np.uint8)  # on a canvas of half its size
    (found,) = Detector(write_suppressed())([image])
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])
    np.testing.assert_allclose(
        found.boxes_xyxy, [[20, 40, 660, 400], [0, 0, 16, 32]], rtol=1e-5, atol=1e-4
    )


def test_a_file_that_suppresses_is_cut_off_at_the_score(write_suppressed: WriteNet) -> None:
    detector = Detector(write_suppressed(), score_threshold=0.6)
    assert len(detector([np.full((SIDE, SIDE, 3), 9, np.uint8)])[0]) == 1


@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_of_files_that_suppress_images_stay_apart(
    batch: int | str, write_suppressed: WriteNet
) -> None:
    images = [np.full((SIDE, SIDE, 3), value, np.uint8) for value in (5, 60, 99)]
    detector = Detector(write_suppressed(batch))
    found = detector(images)
    assert [round(float(boxes.boxes_xyxy[0, 0])) for boxes in found] == [5, 60, 99]


def test_normalised_input_is_that_of_rtmdet(write_suppressed: WriteNet) -> None:
    image = np.full((SIDE, SIDE, 3), (190, 180, 170), np.uint8)
    (found,) = Detector(write_suppressed(), normalise=True)([image])
    bgr = (np.array([170, 180, 190]) - (103.53, 116.28, 123.675)) / (57.375, 57.12, 58.395)
    np.testing.assert_allclose(found.boxes_xyxy[0, :3], bgr + (0, 0, 300), rtol=1e-5)


def test_boxes_without_area_are_left_out(write_suppressed: WriteNet) -> None:
    image = np.full((SIDE, SIDE, 3), 220, np.uint8)  # y1 = 220, y2 = 200
    (found,) = Detector(write_suppressed())([image])
    assert found.boxes_xyxy.tolist() == [[0, 0, 8, 16]]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no such model file: none\.onnx"):
        Detector("none.onnx")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="yolo-nobody"):
        Detector("yolo-nobody")


def test_a_published_name_is_looked_up(
    tmp_path: Path, write_yolox: WriteNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path))
    write_yolox().rename(tmp_path / "yolox_nano.onnx")
    assert Detector("yolox-nano").path == tmp_path / "yolox_nano.onnx"


def test_a_pose_network_is_no_detector(write_dot_model: WriteNet) -> None:
    with pytest.raises(ValueError, match=r"no detector .* simcc_x"):
        Detector(write_dot_model())


def test_a_file_with_another_input_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["images"], ["output"])
    ports = [_float("images", 1, 84, 7)], [_float("output", 1, 84, 7)]
    path = _save(tmp_path / "flat.onnx", [node], ports=ports, arrays={})
    with pytest.raises(ValueError, match=r"expected one tensor\(float\) \(N, 3, h, w\)"):
        Detector(path)


def test_what_is_no_image_is_refused(write_yolox: WriteNet) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        Detector(write_yolox())([np.zeros((4, 4), np.uint8)])
