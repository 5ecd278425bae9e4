"""Detector files of our own, and files that claim to be one of the known kinds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from posedistill.runtime.detector import Detector
from posedistill.runtime.detector_spec import DetectorSpec
from tests.detector_nets import SIDE, float_port, save_net, write_constant, write_own, write_yolox

Image = NDArray[np.uint8]


def _image(*cells: tuple[int, int], size_wh: tuple[int, int] = (SIDE, SIDE)) -> Image:
    """Give a black image with red cells of 8 pixels: column, row."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for column, row in cells:
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, 0] = 255
    return image


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_own(tmp_path / "own.onnx")


def test_red_cells_are_found_where_they_are(own: Path) -> None:
    detector = Detector(own)
    assert detector.input_size_wh == (SIDE, SIDE)
    (found,) = detector([_image((1, 2), (6, 6))])
    assert sorted(found.boxes_xyxy.tolist()) == [[7, 15, 17, 25], [47, 47, 57, 57]]
    assert found.scores.tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("color", [(0, 255, 0), (0, 0, 255)])
def test_only_the_first_channel_is_red(own: Path, color: tuple[int, int, int]) -> None:
    (found,) = Detector(own)([np.full((SIDE, SIDE, 3), color, np.uint8)])
    assert len(found) == 0


def test_boxes_come_back_through_the_letterbox(own: Path) -> None:
    image = np.zeros((32, 128, 3), np.uint8)  # shrunk by 2
    image[16:32, 16:32, 0] = 255
    (found,) = Detector(own, score_threshold=0.9)([image])
    np.testing.assert_allclose(found.boxes_xyxy, [[14, 14, 34, 34]])


def test_overlapping_boxes_are_suppressed_outside_the_graph(own: Path) -> None:
    image = _image((2, 2))
    image[16:24, 24:32, 0] = 200  # its box overlaps by 2 * 10 of 180 pixels
    assert len(Detector(own)([image])[0]) == 2
    (found,) = Detector(own, nms_threshold=0.05)([image])
    assert found.boxes_xyxy.tolist() == [[15, 15, 25, 25]]


@pytest.mark.parametrize("batch", ["batch", 3])
def test_images_of_mixed_sizes_stay_apart(tmp_path: Path, batch: int | str) -> None:
    detector = Detector(write_own(tmp_path / "own.onnx", batch=batch), score_threshold=0.9)
    images = [_image((i % 8, i // 8), size_wh=(64, 32 + 8 * (i % 5))) for i in range(17)]
    found = detector(images)
    assert [boxes.boxes_xyxy[0, 0] for boxes in found] == [8 * (i % 8) - 1 for i in range(17)]
    assert all(len(boxes) == 1 for boxes in found)


def test_a_file_that_leaves_its_size_open_takes_that_of_its_spec(tmp_path: Path) -> None:
    detector = Detector(write_own(tmp_path / "own.onnx", side="side"))
    assert detector.input_size_wh == (SIDE, SIDE)
    assert len(detector([_image((1, 1))])[0]) == 1


def test_many_people_are_all_given(tmp_path: Path, rng: np.random.Generator) -> None:
    corners = np.indices((25, 20)).reshape(2, -1).T * 10.0
    boxes = np.concatenate([corners, corners + 9], axis=1).astype(np.float32)
    scores = rng.uniform(0.4, 1, 500).astype(np.float32)
    path = write_constant(tmp_path / "crowd.onnx", {"boxes": boxes[None], "scores": scores[None]})
    (found,) = Detector(path)([_image()])
    order = np.argsort(-scores)
    assert np.array_equal(found.scores, scores[order])
    assert np.array_equal(found.boxes_xyxy, boxes[order])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["boxes", "scores"])
def test_values_that_are_no_numbers_are_an_error(tmp_path: Path, name: str, value: float) -> None:
    values = {"boxes": np.ones((1, 5, 4), np.float32), "scores": np.ones((1, 5), np.float32)}
    values[name][0, -1] = value
    path = write_constant(tmp_path / "broken.onnx", values)
    with pytest.raises(ValueError, match=r"broken\.onnx: the network gives NaN or infinite"):
        Detector(path)([_image()])


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        ((1, 5, 4), (1, 6)),
        ((1, 5, 5), (1, 5)),
        ((1, 5, 4), (1, 5, 1)),
        ((5, 4), (5,)),
        ((1, 4), (1,)),
    ],
)
def test_outputs_that_do_not_belong_together_are_refused(
    tmp_path: Path, boxes: tuple[int, ...], scores: tuple[int, ...]
) -> None:
    values = {"boxes": np.ones(boxes, np.float32), "scores": np.ones(scores, np.float32)}
    path = write_constant(tmp_path / "odd.onnx", values)
    with pytest.raises(ValueError, match=r"odd\.onnx.* gives .*; expected"):
        Detector(path)([_image()])


def test_fewer_rows_than_images_are_refused(tmp_path: Path) -> None:
    values = {"boxes": np.ones((1, 5, 4), np.float32), "scores": np.ones((1, 5), np.float32)}
    path = write_constant(tmp_path / "one.onnx", values)
    with pytest.raises(ValueError, match=r"one\.onnx gives .* for 2 images"):
        Detector(path)([_image(), _image()])


def test_another_class_than_people_is_refused(own: Path) -> None:
    with pytest.raises(ValueError, match="class_index is 2; the file knows people alone"):
        Detector(own, class_index=2)([_image()])


def test_our_files_are_not_normalised_again(own: Path) -> None:
    with pytest.raises(ValueError, match=r"own\.onnx normalises by itself"):
        Detector(own, normalise=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a detector spec"),
        ("[]", "not a detector spec"),
        ("[" * 100_000, "not a detector spec"),
        ('{"version": 2}', "version 2 is newer than 1; update posedistill"),
        ('{"version": "1"}', "not a detector spec"),
        ('{"version": 1}', "not a detector spec .*input_size_wh"),
        ('{"version": 1, "input_size_wh": [64, 64], "colour": "red"}', "not a detector spec"),
        ('{"version": 1, "input_size_wh": [64, 0]}', r"input_size_wh is \(64, 0\)"),
        ('{"version": 1, "input_size_wh": [64, true]}', "input_size_wh is"),
        ('{"version": 1, "input_size_wh": [64, 32]}', r"takes \(64, 64\), .* says \(64, 32\)"),
    ],
)
def test_a_spec_that_is_none_or_does_not_fit_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = write_own(tmp_path / "own.onnx", metadata=text)
    with pytest.raises(ValueError, match=rf"own\.onnx.*{message}"):
        Detector(path)


def test_a_spec_is_read_back() -> None:
    spec = DetectorSpec((320, 256), "CC-BY-4.0", 'two "words" and ü')
    assert DetectorSpec.from_json(spec.to_json()) == spec


def test_our_spec_over_float_input_is_refused(tmp_path: Path) -> None:
    path = write_own(tmp_path / "own.onnx", kind=TensorProto.FLOAT)
    with pytest.raises(ValueError, match=r"expected one tensor\(uint8\) \(N, 3, h, w\)"):
        Detector(path)


def test_our_spec_over_other_outputs_is_refused(tmp_path: Path) -> None:
    values = {"boxes": np.ones((1, 5, 4), np.float32), "certainty": np.ones((1, 5), np.float32)}
    path = write_constant(tmp_path / "odd.onnx", values)
    with pytest.raises(ValueError, match=r"expected tensor\(float\) boxes .* and scores"):
        Detector(path)


def test_an_input_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    path = write_yolox(tmp_path / "huge.onnx", side=2**20)
    with pytest.raises(ValueError, match="at most 67108864 pixels"):
        Detector(path)


def test_what_our_spec_is_missing_from_is_no_detector(tmp_path: Path) -> None:
    ports = (
        [float_port("images", 1, 3, SIDE, SIDE)],
        [float_port("boxes", 1, 5, 4), float_port("scores", 1, 5)],
    )
    arrays: dict[str, NDArray[np.generic]] = {
        "boxes": np.ones((1, 5, 4), np.float32),
        "scores": np.ones((1, 5), np.float32),
    }
    path = save_net(tmp_path / "bare.onnx", [], ports=ports, arrays=arrays)
    with pytest.raises(ValueError, match=r"bare\.onnx is no detector .* posedistill_detector"):
        Detector(path)
