"""The exported detector: a file that the runtime opens, of the size that was promised."""

from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.detect.model import PersonDetector, TwoLooks
from posedistill.detect.predict import find_people
from posedistill.detect.score import score_boxes
from posedistill.export.detector import export_detector
from posedistill.runtime.detector import Detector
from posedistill.runtime.detector_spec import DetectorSpec
from tests.detect.pictures import set_layer


@pytest.mark.slow
def test_the_file_finds_what_the_network_finds(tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    model = PersonDetector()
    for layer in model.scores:
        set_layer(layer, std=20.0)  # scores far from each other
    path = tmp_path / "person.onnx"
    spec = DetectorSpec((64, 64), "a licence")
    report = export_detector(model.eval(), path, spec=spec, at_score=0.4)
    assert report.num_bytes == path.stat().st_size < 2_000_000
    images = list(rng.integers(0, 255, (3, 50, 70, 3), dtype=np.uint8))
    wanted = find_people(TwoLooks(model), images, side=64, score_threshold=0.4)
    with Detector(path) as detector:  # which takes scores from 0.3 on
        found = detector(images)
    assert sum(map(len, wanted)) > 10
    assert [len(boxes) for boxes in found] == [len(boxes) for boxes in wanted]
    # Rounded weights may change the order of boxes that are about as sure.
    score = score_boxes(found, [boxes.boxes_xyxy for boxes in wanted], min_overlap=0.95)
    assert (score.recall, score.extra) == (1.0, 0.0)
    odds = (0.3 / 0.7) / (0.4 / 0.6)
    for one, other in zip(wanted, found, strict=True):
        expected = odds * one.scores / (1 - one.scores + odds * one.scores)
        np.testing.assert_allclose(other.scores, expected, atol=0.01)


def test_a_score_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "person.onnx"
    with pytest.raises(ValueError, match="between 0 and 1"):
        export_detector(PersonDetector(), path, spec=DetectorSpec((64, 64)), at_score=1.0)


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ending in \.onnx"):
        export_detector(PersonDetector(), tmp_path / "a.pt", spec=DetectorSpec((64, 64)))
