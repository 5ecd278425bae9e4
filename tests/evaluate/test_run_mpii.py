"""A model of MPII's 16 joints from photos to PCKh, and golden numbers through the files."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.codecs import Heatmap
from posedistill.evaluate.pckh import COLUMNS
from posedistill.evaluate.predictions import Prediction, read_predictions, write_predictions
from posedistill.evaluate.report import Report, score, score_file
from posedistill.evaluate.run import evaluate
from posedistill.evaluate.truth import read_truth
from posedistill.media import write_image
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec
from tests.mpii_files import Row, write_ground_truth, write_list

SIDE, STRIDE = 64, 4
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
JOINTS = Skeleton.get("mpii16").joints
# Of three white pixels in a crop from left to right, that of each joint.
PLACES = [{"right": 0, "left": 2}.get(name.split("_")[0], 1) for name in JOINTS]
# (x, y) of the pixels of each person; people 0 and 1 stand side by side in one photo.
PIXELS = (
    [(8, 12), (32, 20), (52, 40)],
    [(4, 56), (16, 8), (24, 24)],
    [(20, 20), (28, 48), (60, 4)],
)
SCALE = SIDE / 250  # of people whose padded box is as large as the network's input


class SidesSession:
    """Say of every crop that right joints are at its leftmost white pixel, left ones opposite."""

    provider = "numpy"

    def __init__(self) -> None:
        self.spec = Spec("sides", "mpii16", Heatmap((SIDE, SIDE)))

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        maps = np.zeros((len(crops), 16, SIDE // STRIDE, SIDE // STRIDE), np.float32)
        for crop, out in zip(crops, maps, strict=True):
            y, x = np.nonzero(crop[0] > 128)
            order = np.argsort(x)[PLACES]
            columns, rows = (np.floor(v[order] / STRIDE + 0.5).astype(int) for v in (x, y))
            out[np.arange(16), rows, columns] = 1
        return (maps,)


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    """Write two photos with three people whose joints are the white pixels, heads of 6 pixels."""
    photos = {name: np.zeros((SIDE, 2 * SIDE, 3), np.uint8) for name in ("a.png", "b.png")}
    rows: list[Row] = []
    for number, pixels in enumerate(PIXELS):
        name, left = "ab"[number // 2] + ".png", SIDE * (number % 2)
        joints = [[left + pixels[place][0] + 1, pixels[place][1] + 1] for place in PLACES]
        center = [left + SIDE / 2 + 1, SIDE / 2 + 1 - 15 * SCALE]
        rows.append({"image": name, "center": center, "scale": SCALE, "joints": joints})
        rows[-1] |= {"joints_vis": [1] * 16, "head_box": [1, 1, 1 + 6, 1 + 8]}
        for x, y in pixels:
            photos[name][y, left + x] = 255
    write_list(tmp_path / "valid.json", rows, with_images=False)
    for name, photo in photos.items():
        write_image(tmp_path / "images" / name, photo)
    return tmp_path / "valid.json"


def _evaluate(valid: Path, **options: object) -> Report:
    images = valid.parent / "images"
    settings = {"annotations": valid, "images_dir": images, "out": None, "progress": False}
    return evaluate(SidesSession(), **settings | options)  # type: ignore[arg-type]


@pytest.mark.parametrize("flip_test", [False, True], ids=["plain", "flip test"])
def test_a_model_that_is_right_scores_hundred(valid: Path, flip_test: bool) -> None:
    """Maps of the mirrored crop fit to the cell: sides exchanged and shifted by one."""
    report = _evaluate(valid, flip_test=flip_test)
    names = [name for row in ("PCKh@0.5", "PCKh@0.1") for name in (row, *COLUMNS)]
    assert len(report.as_dict()) == len(names)
    assert set(report.as_dict().values()) == {100.0}


def test_the_file_holds_all_people_and_scores_as_the_run_did(valid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    report = _evaluate(valid, out=out)
    predictions = read_predictions(out)
    assert [prediction.image_id for prediction in predictions] == [1, 1, 2]
    assert len(json.loads(out.read_text())[0]["keypoints"]) == 48
    assert predictions[1].keypoints[JOINTS.index("left_wrist")].tolist() == [SIDE + 24, 24]
    assert score_file(out, valid) == report


def test_people_are_told_apart_by_their_boxes(valid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    _evaluate(valid, out=out)
    predictions = read_predictions(out)
    truth = read_truth(valid, skeleton="mpii16")
    assert score(predictions[::-1], truth).scores == score(predictions, truth).scores
    missing = score(predictions[1:], truth).scores
    assert missing["PCKh@0.5"] == pytest.approx(100 * 2 / 3)
    assert missing["PCKh@0.1/wrist"] == pytest.approx(100 * 2 / 3)
    assert set(score([], truth).scores.values()) == {0.0}


def test_head_sizes_that_cannot_be_found_stop_the_run_before_it_begins(
    valid: Path, tmp_path: Path
) -> None:
    rows = json.loads(valid.read_text())
    for record in rows:
        del record["head_box"]
    valid.write_text(json.dumps(rows))
    with pytest.raises(FileNotFoundError, match=r"PCKh needs head sizes.*gt_valid\.mat"):
        _evaluate(valid, out=tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_boxes_of_a_detector_are_refused(valid: Path) -> None:
    with pytest.raises(ValueError, match="own boxes.*not in those of boxes.json"):
        _evaluate(valid, boxes=Path("boxes.json"))


def test_coco_annotations_are_refused(valid: Path) -> None:
    valid.write_text('{"images": [], "annotations": []}')
    with pytest.raises(ValueError, match="not an MPII list"):
        _evaluate(valid)


@pytest.fixture
def golden_files(tmp_path: Path) -> tuple[Path, Path]:
    """Write the golden people as valid.json, gt_valid.mat and a prediction file."""
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    arrays = np.load(GOLDEN / "metrics_mpii.npz")
    rows: list[Row] = []
    for number, (joints, visible, head) in enumerate(
        zip(arrays["gt"], arrays["vis"], arrays["head"], strict=True)
    ):
        center = [300.0 + 30 * (number % 4), 200.0]  # four people a photo, near each other
        rows.append({"image": f"{number // 4}.png", "center": center, "scale": 1.0})
        rows[-1] |= {"joints": joints.tolist(), "joints_vis": (visible > 0).astype(int).tolist()}
        rows[-1] |= {"head_box": [5, 5, 5 + head, 5 + head * 4 / 3]}  # 0.6 x diagonal is head
    lists = [{key: record[key] for key in record if key != "head_box"} for record in rows]
    valid = write_list(tmp_path / "valid.json", lists, with_images=False)
    write_ground_truth(tmp_path / "gt_valid.mat", rows)
    truth = read_truth(valid, skeleton="mpii16")
    predictions = [
        Prediction(
            image_id=int(truth.image_ids[index]),
            box_xywh=truth.boxes_xywh[index].astype(np.float32),
            keypoints=arrays["pred"][index].astype(np.float32),
            keypoint_scores=np.ones(16, np.float32),
            score=1.0,
        )
        for index in range(len(truth))
    ]
    write_predictions(tmp_path / "out.json", predictions)
    return tmp_path / "out.json", valid


def test_the_numbers_through_the_files_are_those_of_the_reference(
    golden_files: tuple[Path, Path],
) -> None:
    golden = json.loads((GOLDEN / "metrics.json").read_text())["mpii|thr=0.5"]
    scores = score_file(*golden_files).as_dict()
    found = {f"{name.capitalize()} PCK": scores[f"PCKh@0.5/{name}"] for name in COLUMNS}
    found |= {"PCK": scores["PCKh@0.5"], "PCK@0.1": scores["PCKh@0.1"]}
    assert found == pytest.approx(golden, abs=1e-6)


def test_the_table_has_a_row_a_threshold_and_a_column_a_joint(
    golden_files: tuple[Path, Path],
) -> None:
    report = score_file(*golden_files)
    header, half, tenth = str(report).splitlines()
    assert header.split() == ["score", *COLUMNS, "mean", "persons"]
    columns = ["75.0", "72.0", "75.4", "80.5", "80.4", "74.6", "76.7"]
    assert half.split() == ["PCKh@0.5", *columns, "77.8", "40"]
    assert tenth.split()[0] == "PCKh@0.1"
    assert tenth.split()[-2:] == ["21.4", "40"]
    _, rule, *rows = report.as_markdown().splitlines()
    assert rule.count("|") == len(COLUMNS) + 4
    assert [line.replace("|", " ").split() for line in rows] == [half.split(), tenth.split()]
    assert not [key for key in report.as_dict() if "AP" in key]
