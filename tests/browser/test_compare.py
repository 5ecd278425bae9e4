"""Two models on one photo."""

import re

import numpy as np
import pytest

from tests.browser.site import MIN_SCORE, Record, Watched, expecting


@pytest.fixture
def compared(watched: Watched) -> tuple[Watched, Record]:
    """Give the page comparing two models, and what the first says."""
    answer = watched.show()
    watched.page.check("#compare")
    expecting(watched.page.locator("#differences .worst button").first).to_be_visible()
    return watched, answer


def _second(watched: Watched) -> Record:
    name = watched.page.locator("#second").input_value()
    return watched.site.pose(watched.photo, detector="none", model=name)


def test_the_mean_distance_is_that_of_the_servers_answers(
    compared: tuple[Watched, Record],
) -> None:
    watched, first = compared
    one, other = (np.array(one["people"][0]["keypoints"]) for one in (first, _second(watched)))
    is_shared = (one[:, 2] >= MIN_SCORE) & (other[:, 2] >= MIN_SCORE)
    distances = np.linalg.norm((one - other)[is_shared, :2], axis=-1)
    assert distances.mean() > 5  # the second moves all joints to the right
    text = watched.page.locator("#differences").inner_text()
    assert f"{is_shared.sum()} joints found by both, {distances.mean():.1f} pixels apart" in text
    worst = watched.page.locator("#differences .worst button").first.inner_text()
    assert f"{distances.max():.1f} px" in worst


def test_lines_between_the_same_joints_are_drawn(compared: tuple[Watched, Record]) -> None:
    watched, first = compared
    both = [np.array(one["people"][0]["keypoints"]) for one in (first, _second(watched))]
    middles = {**first, "people": [{"keypoints": np.mean(both, axis=0).tolist()}]}
    is_shared = (both[0][:, 2] >= MIN_SCORE) & (both[1][:, 2] >= MIN_SCORE)
    points = watched.expected_points(middles, 0)[is_shared]
    colors = np.array([watched.pixel(point) for point in points])
    is_line = np.abs(colors - [255, 216, 77]).max(axis=-1) < 40
    assert is_line.mean() > 0.5  # others lie below another line's rim


def test_the_list_leads_to_a_joint(compared: tuple[Watched, Record]) -> None:
    watched, _ = compared
    button = watched.page.locator("#differences .worst button").first
    name = button.locator("span").first.inner_text()
    button.click()
    expecting(watched.page.locator("#tip")).to_have_text(re.compile(f"^{name} "))


def test_without_comparing_only_the_first_model_is_drawn(
    compared: tuple[Watched, Record],
) -> None:
    watched, _ = compared
    before = watched.picture()
    watched.page.uncheck("#compare")
    watched.picture_after(before)
    assert watched.page.evaluate("() => posedistill.view.layerCount") == 1
