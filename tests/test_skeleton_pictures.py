"""The pictures of docs/skeletons.md: every joint has its number, and every number can be read."""

from itertools import combinations

import numpy as np
import pytest

from benchmarks.skeleton_pictures import ROOT, Panel, Tag, draw, panels, place
from posedistill.media import read_image
from posedistill.skeleton import Skeleton

every_skeleton = pytest.mark.parametrize("name", Skeleton.names())


def _panels(name: str) -> list[Panel]:
    return [panel for row in panels(Skeleton.get(name)) for panel in row]


def _overlap(first: Tag, second: Tag) -> bool:
    a, b = first.box_xyxy(), second.box_xyxy()
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@every_skeleton
def test_every_joint_has_its_number_once(name: str) -> None:
    skeleton = Skeleton.get(name)
    numbers = [int(tag.text) for panel in _panels(name) for tag in place(skeleton, panel)[1]]
    assert sorted(numbers) == list(range(len(skeleton)))


@every_skeleton
def test_numbers_do_not_hide_each_other_and_lie_within_the_picture(name: str) -> None:
    for panel in _panels(name):
        _, tags = place(Skeleton.get(name), panel)
        hidden = [(a.text, b.text) for a, b in combinations(tags, 2) if _overlap(a, b)]
        corners = np.array([tag.box_xyxy() for tag in tags])
        assert hidden == []
        assert corners.min() >= 0
        assert (corners[:, 2:] <= panel.size_wh).all()


@pytest.mark.parametrize("name", ["wholebody133", "openpose25", "mpii16"])
def test_the_left_of_a_person_is_on_the_right_of_the_picture(name: str) -> None:
    skeleton = Skeleton.get(name)
    points, _ = place(skeleton, _panels(name)[0])
    left, right = (skeleton.joints.index(f"{side}_wrist") for side in ("left", "right"))
    assert points[left, 0] > points[right, 0]


@every_skeleton
def test_the_picture_of_the_page_is_the_one_that_is_drawn(name: str) -> None:
    stored = read_image(ROOT / "docs" / "img" / f"skeleton-{name}.png")
    drawn = draw(Skeleton.get(name))
    assert stored.shape == drawn.shape
    # Versions of OpenCV draw soft edges a little differently.
    assert np.abs(stored.astype(int) - drawn).mean() < 2
