"""Scores with a meaning: where right and wrong joints part, and what scaling leaves as it is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.datasets.drawn import DrawnPeople
from posedistill.export.calibration import LabelledPhotos
from posedistill.export.scores import WANTED, body_scores, even_odds, scaled, with_meaning
from posedistill.models import PoseModel, build
from tests.weight_rule import fill

SIZE_WH = (48, 64)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> LabelledPhotos:
    people = DrawnPeople(12, size=96)
    return LabelledPhotos(*people.write(tmp_path_factory.mktemp("people")))


def _model(name: str) -> PoseModel:
    model = build(name, "wholebody133", SIZE_WH).eval()
    fill(model, 1.6)
    return model


def test_odds_are_even_where_a_logistic_curve_says_so() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 2, 20_000)
    chance = 1 / (1 + np.exp(-8 * (scores - 0.7)))
    found = even_odds(scores, rng.random(20_000) < chance)
    assert found == pytest.approx(0.7, abs=0.05)


def test_the_order_of_joints_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    scores, right = rng.random(200), rng.random(200) < 0.5
    order = rng.permutation(200)
    assert even_odds(scores, right) == even_odds(scores[order], right[order])


@pytest.mark.parametrize("name", ["rtmpose-n", "cspnext-n-heatmap"])
def test_a_scaled_model_moves_no_keypoint(name: str) -> None:
    model = _model(name)
    crops = torch.randint(0, 256, (2, 3, 64, 48), dtype=torch.uint8)
    with torch.inference_mode():
        plain, larger = model(crops), scaled(model, 4.0)(crops)
    for a, b in zip(plain, larger, strict=True):
        assert torch.allclose(4 * a, b, rtol=1e-5)
    codec = model.spec.codec
    decoded = [codec.decode(*(part.numpy() for part in out)) for out in (plain, larger)]
    np.testing.assert_array_equal(decoded[0][0], decoded[1][0])


def test_a_model_with_an_unknown_head_is_refused() -> None:
    model = _model("rtmpose-n")
    model.head = torch.nn.Flatten()
    with pytest.raises(ValueError, match="not known how the scores of rtmpose-n"):
        scaled(model, 2.0)


def test_low_scores_are_parted_as_well_as_high_ones() -> None:
    right = np.array([False, True])
    assert even_odds(np.array([1e-8, 3e-8]), right) == pytest.approx(2e-8)


def test_a_skeleton_without_a_reader_is_refused(photos: LabelledPhotos) -> None:
    model = build("rtmpose-n", "halpe26", SIZE_WH)
    with pytest.raises(ValueError, match="gives halpe26; annotations can be read for"):
        body_scores(model, photos)


def test_a_calibrated_model_has_even_odds_at_the_wanted_score(photos: LabelledPhotos) -> None:
    model = _model("rtmpose-n")
    calibrated, factor = with_meaning(model, photos)
    before, is_right = body_scores(model, photos)
    after, still_right = body_scores(calibrated, photos)
    np.testing.assert_array_equal(is_right, still_right)
    np.testing.assert_allclose(after, factor * before, rtol=1e-4)
    assert even_odds(after, still_right) == pytest.approx(WANTED, rel=1e-3)


def test_too_few_labels_tell_nothing(photos: LabelledPhotos, tmp_path: Path) -> None:
    labels = json.loads(photos.annotations.read_text(encoding="utf-8"))
    labels["annotations"] = labels["annotations"][:2]
    few = tmp_path / "few.json"
    few.write_text(json.dumps(labels), encoding="utf-8")
    with pytest.raises(ValueError, match=r"\d+ labelled body joints; 50 or more"):
        with_meaning(_model("rtmpose-n"), LabelledPhotos(few, photos.images_dir))
