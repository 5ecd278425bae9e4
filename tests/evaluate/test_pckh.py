import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.evaluate.pckh import COLUMNS, head_sizes_of, pckh
from posedistill.skeleton import Skeleton

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
JOINTS = Skeleton.get("mpii16").joints
IN_MEAN = [index for index, name in enumerate(JOINTS) if name not in ("pelvis", "thorax")]
# name of the golden numbers by ours
NAMES = {name: f"{name.capitalize()} PCK" for name in COLUMNS}
NAMES |= {"mean": "PCK", "mean@0.1": "PCK@0.1"}

People = dict[str, NDArray[np.float64]]


def _people() -> People:
    arrays = np.load(GOLDEN / "metrics_mpii.npz")
    # The labels count pixels from 1, the predictions from 0.
    return {
        "keypoints": arrays["gt"],
        "predicted": arrays["pred"] + 1,
        "visible": arrays["vis"],
        "head_sizes": arrays["head"],
    }


def _score(people: People, threshold: float = 0.5) -> dict[str, float]:
    return pckh(
        people["keypoints"],
        people["predicted"],
        visible=people["visible"],
        head_sizes=people["head_sizes"],
        threshold=threshold,
    )


def _golden(threshold: float) -> dict[str, float]:
    content: dict[str, Any] = json.loads((GOLDEN / "metrics.json").read_text())  # Any: JSON
    numbers: dict[str, float] = content[f"mpii|thr={threshold}"]
    return numbers


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_the_numbers_are_those_of_the_reference(threshold: float) -> None:
    golden = _golden(threshold)
    found = _score(_people(), threshold)
    assert list(found) == list(NAMES)
    assert found == pytest.approx({key: golden[name] for key, name in NAMES.items()}, abs=1e-6)


def test_the_mean_at_a_tenth_differs_from_the_reference_by_its_rounding_only() -> None:
    people = _people()
    errors = np.linalg.norm(people["predicted"] - people["keypoints"], axis=2)
    near = errors <= 0.1 * people["head_sizes"][:, None]
    counts = people["visible"].sum(axis=0)
    shares = 100 * (near * people["visible"]).sum(axis=0) / counts
    weights = counts[IN_MEAN] / counts[IN_MEAN].sum()
    golden = _golden(0.5)["PCK@0.1"]
    rounded = float((shares.astype(np.float32)[IN_MEAN] * weights).sum())
    assert rounded == pytest.approx(golden, abs=1e-12)
    exact = float((shares[IN_MEAN] * weights).sum())
    assert _score(people)["mean@0.1"] == pytest.approx(exact, abs=1e-12)
    assert 1e-7 < abs(exact - golden) < 1e-6


def test_the_entry_after_the_tenth_of_the_curve_is_another_number() -> None:
    # OKDHP's reference reports entry 11 as the mean at 0.1.
    thresholds = np.arange(0, 0.51, 0.01)
    curve = [_score(_people(), threshold)["mean"] for threshold in thresholds]
    ours = _score(_people())["mean@0.1"]
    assert thresholds[[10, 11]] == pytest.approx([0.1, 0.11])
    assert curve[10] == pytest.approx(ours, abs=1e-12)
    assert curve[11] - ours == pytest.approx(2.7027, abs=1e-4)


def test_the_numbers_are_those_of_a_slow_loop() -> None:
    people = _people()
    right = dict.fromkeys(JOINTS, 0)
    labelled = dict.fromkeys(JOINTS, 0)
    for person in range(40):
        for joint, name in enumerate(JOINTS):
            if people["visible"][person, joint]:
                x, y = people["predicted"][person, joint] - people["keypoints"][person, joint]
                labelled[name] += 1
                right[name] += (x * x + y * y) ** 0.5 / people["head_sizes"][person] <= 0.2
    found = _score(people, 0.2)
    knees = [right[name] / labelled[name] for name in ("left_knee", "right_knee")]
    assert found["knee"] == pytest.approx(50 * sum(knees), rel=1e-12)
    assert found["head"] == pytest.approx(100 * right["head_top"] / labelled["head_top"])
    names = [JOINTS[index] for index in IN_MEAN]
    total = sum(right[name] for name in names) / sum(labelled[name] for name in names)
    assert found["mean"] == pytest.approx(100 * total, rel=1e-12)


@pytest.mark.parametrize(
    ("shift", "expected"), [pytest.param(0, 100, id="perfect"), pytest.param(900, 0, id="hopeless")]
)
def test_perfect_is_hundred_and_hopeless_is_zero(shift: float, expected: float) -> None:
    people = _people()
    assert _score(people | {"predicted": people["keypoints"] + shift}) == dict.fromkeys(
        NAMES, expected
    )


def test_pelvis_and_thorax_do_not_count() -> None:
    people = _people()
    predicted = people["predicted"].copy()
    predicted[:, [JOINTS.index("pelvis"), JOINTS.index("thorax")]] += 900
    assert _score(people | {"predicted": predicted}) == _score(people)


def test_the_order_of_people_does_not_matter() -> None:
    people = _people()
    turned = {name: array[::-1] for name, array in people.items()}
    assert _score(turned) == pytest.approx(_score(people), rel=1e-12)


def test_growing_the_picture_changes_nothing() -> None:
    people = _people()
    grown = {name: 3 * array for name, array in people.items()}
    assert _score(grown) == pytest.approx(_score(people), rel=1e-12)


def test_a_prediction_that_is_not_finite_is_wrong() -> None:
    people = _people()
    missing = people["predicted"].copy()
    missing[:, JOINTS.index("head_top")] = np.nan
    assert _score(people | {"predicted": missing})["head"] == 0


def test_what_nobody_is_labelled_for_has_no_key() -> None:
    people = _people()
    visible = people["visible"].copy()
    visible[:, JOINTS.index("left_hip")] = 0
    found = _score(people | {"visible": visible})
    assert found["hip"] == pytest.approx(83.7838, abs=1e-4)  # the right one alone
    visible[:, JOINTS.index("right_hip")] = 0
    assert "hip" not in _score(people | {"visible": visible})
    assert _score({name: array[:0] for name, array in people.items()}) == {}


def test_head_sizes_are_those_of_the_boxes() -> None:
    assert head_sizes_of([[0, 0, 3, 4], [5, 5, 17, 10]]).tolist() == pytest.approx([3.0, 7.8])
    assert head_sizes_of([]).tolist() == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("predicted", np.zeros((40, 17, 2)), r"expected \(40, 16, 2\)", id="joints"),
        pytest.param("visible", np.ones(40), r"visible has shape \(40,\)", id="visible"),
        pytest.param("head_sizes", np.zeros(40), "head size 0 is 0.0", id="head size"),
        pytest.param("keypoints", np.full((40, 16, 2), np.nan), "not finite", id="labels"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _score(_people() | {name: value})
