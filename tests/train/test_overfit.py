"""Overfitting: a recipe that can learn shows it on one batch, one that cannot is found out."""

from pathlib import Path

import pytest

from posedistill.train.fit import fit
from posedistill.train.overfit import Overfitting, overfit
from posedistill.train.preflight import RecipeError
from tests.train.tiny import tiny


@pytest.mark.slow
@pytest.mark.parametrize("name", ["drawn-rtmpose-n", "drawn-pretrain-n"], ids=["simcc", "heatmap"])
def test_one_batch_is_learnt(name: str) -> None:
    result = overfit(tiny(name, "batch_size=4"), steps=80)
    assert result.is_learnt
    assert result.last_loss < 0.2 * result.first_loss
    assert result.first_pck is not None
    assert result.last_pck is not None
    assert result.first_pck < 50 < 90 <= result.last_pck
    assert (result.steps, result.num_people) == (80, 4)


def test_a_recipe_that_learns_next_to_nothing_is_found_out() -> None:
    result = overfit(tiny("drawn-rtmpose-n", "batch_size=4", "lr=1e-9"), steps=6)
    assert not result.is_learnt
    assert result.last_loss == pytest.approx(result.first_loss, rel=0.01)


@pytest.mark.slow
def test_what_has_no_labels_is_learnt_when_its_loss_halves(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "teacher")
    recipe = tiny("drawn-stage2-n", f"teacher={tmp_path / 'teacher'}", "batch_size=4")
    result = overfit(recipe, steps=60)
    assert not result.has_labels
    assert result.is_learnt == (result.last_loss < 0.5 * result.first_loss)
    assert result.last_loss < result.first_loss


@pytest.mark.parametrize(
    ("last_loss", "last_pck", "has_labels", "wanted"),
    [
        (0.9, 95.0, True, True),
        (0.1, 50.0, True, False),
        (0.1, None, True, True),
        (0.1, 50.0, False, True),
        (0.6, 95.0, False, False),
    ],
)
def test_labels_decide_where_they_are_what_is_learnt(
    last_loss: float, last_pck: float | None, has_labels: bool, wanted: bool
) -> None:
    result = Overfitting(
        first_loss=1.0,
        last_loss=last_loss,
        first_pck=0.0,
        last_pck=last_pck,
        steps=9,
        num_people=4,
        has_labels=has_labels,
    )
    assert result.is_learnt is wanted


def test_problems_of_the_recipe_are_told_first() -> None:
    with pytest.raises(RecipeError, match="needs a teacher"):
        overfit(tiny("drawn-stage1-n"))


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="steps is 0; expected 1 or more"):
        overfit(tiny("drawn-rtmpose-n"), steps=0)


def test_a_loss_that_is_not_finite_is_told() -> None:
    with pytest.raises(ValueError, match="step 1: the loss is not finite .* on samples"):
        overfit(tiny("drawn-rtmpose-n", "lr=1e30"), steps=5)
