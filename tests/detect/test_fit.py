"""Training of the detector: it learns, resumes, and finds as it is scored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posedistill.detect.fit import DetectorPlan, DetectorRun, load_detector
from posedistill.detect.model import PersonDetector
from posedistill.detect.pack import decode
from posedistill.detect.pool import Pool
from posedistill.detect.predict import find_people
from tests.detect.pictures import SIDE, empty_picture, green_person, set_layer

CPU = torch.device("cpu")


def _pool() -> Pool:
    return Pool([green_person(has_mask=True), empty_picture()], side=SIDE, device=CPU)


def test_the_loss_falls(tmp_path: Path) -> None:
    plan = DetectorPlan(steps=40, side=64, batch=4)
    told = list(DetectorRun(tmp_path / "run", plan, pool=_pool()).fit())
    assert [progress.step for progress in told] == [20, 40]
    assert sum(told[-1].losses.values()) < 0.95 * sum(told[0].losses.values())
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    first = DetectorRun(tmp_path, DetectorPlan(steps=2, side=32, batch=2), pool=_pool())
    list(first.fit())
    again = DetectorRun(tmp_path, DetectorPlan(steps=3, side=32, batch=2), pool=_pool())
    assert again.step == 2
    for name, value in first.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value)
        torch.testing.assert_close(again.ema.average[name], first.ema.average[name])
    moments = [run.optimizer.state_dict()["state"][0]["exp_avg"] for run in (first, again)]
    torch.testing.assert_close(*moments)
    third = DetectorRun(tmp_path, again.plan, pool=_pool())._train_step()
    (told,) = again.fit()
    assert told.step == again.step == 3
    assert told.losses == pytest.approx({name: float(loss) for name, loss in third.items()})
    loaded = load_detector(tmp_path).state_dict()
    torch.testing.assert_close(loaded, dict(again.averaged().state_dict()))


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    DetectorRun(tmp_path, DetectorPlan(steps=2, side=32, batch=2), pool=_pool())
    with pytest.raises(ValueError, match="another batch"):
        DetectorRun(tmp_path, DetectorPlan(steps=2, side=32, batch=4), pool=_pool())


def test_a_run_starts_from_the_averaged_network_of_another(tmp_path: Path) -> None:
    first = DetectorRun(tmp_path / "a", DetectorPlan(steps=2, side=32, batch=2), pool=_pool())
    list(first.fit())
    plan = DetectorPlan(steps=2, side=32, batch=2, start=str(tmp_path / "a"))
    again = DetectorRun(tmp_path / "b", plan, pool=_pool())
    assert again.step == 0
    assert again.model.training
    torch.testing.assert_close(dict(again.model.state_dict()), dict(first.averaged().state_dict()))


def test_several_runs_give_their_mean(tmp_path: Path) -> None:
    plans = [DetectorPlan(steps=1, side=32, batch=2, seed=seed) for seed in (0, 1)]
    folders = [tmp_path / str(plan.seed) for plan in plans]
    for folder, plan in zip(folders, plans, strict=True):
        list(DetectorRun(folder, plan, pool=_pool()).fit())
    one, other = (load_detector(folder).state_dict() for folder in folders)
    mean = load_detector(*folders).state_dict()
    name = "scores.0.weight"
    torch.testing.assert_close(mean[name], (one[name] + other[name]) / 2)
    assert not torch.equal(one[name], other[name])


def test_a_run_that_starts_from_none_leaves_no_folder(tmp_path: Path) -> None:
    plan = DetectorPlan(steps=2, side=32, batch=2, start=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none has no last.pt"):
        DetectorRun(tmp_path / "b", plan, pool=_pool())
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "one of the two"),
        ({"steps": 1, "minutes": 1}, "one of the two"),
        ({"steps": 0}, "above 0"),
        ({"minutes": -1}, "above 0"),
        ({"steps": 1, "side": 100}, "32"),
        ({"steps": 1, "batch": 1}, "two scenes"),
    ],
    ids=["no length", "two lengths", "no steps", "minutes below 0", "odd side", "one scene"],
)
def test_a_plan_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectorPlan(**settings)


def test_people_are_found_in_pixels_of_their_own_image() -> None:
    model = PersonDetector().eval()
    # One cell of the coarsest grid speaks: its box spans a stride to each side of its middle.
    for layers in (model.scores, model.distances):
        for layer in layers:
            set_layer(layer)
    for layer in model.scores[:2]:
        set_layer(layer, bias=-9.0)
    image = np.zeros((64, 128, 3), np.uint8)
    (found,) = find_people(model, [image], side=32)
    # Letterboxed by 1 / 4: the only cell is at 16, 16 with a stride of 32.
    assert found.boxes_xyxy.tolist() == [[-64, -64, 192, 192]]
    assert found.scores.tolist() == [0.5]


def test_several_images_are_found_as_one_by_one() -> None:
    torch.manual_seed(0)
    model = PersonDetector().eval()
    for layer in model.scores:  # far from each other, so that rounding changes no order
        set_layer(layer, std=20.0)
    images = [decode(green_person()), decode(empty_picture())[:40]]
    both = find_people(model, images, side=64)
    for image, together in zip(images, both, strict=True):
        (alone,) = find_people(model, [image], side=64)
        np.testing.assert_allclose(together.boxes_xyxy, alone.boxes_xyxy, atol=1e-3)
