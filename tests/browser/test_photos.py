"""Photos on the page: drop, see, toggle, zoom, hover, many at once, and what went wrong."""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tests.browser.site import PHOTOS, Points, Record, Site, Watched, expecting, sure_joints

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import Browser


def _lone(points: Points, joints: list[int]) -> list[int]:
    """Give the joints with no other within 12 pixels."""
    gaps = np.linalg.norm(points[joints][:, None] - points[joints][None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    return [joint for joint, gap in zip(joints, gaps.min(axis=1), strict=True) if gap > 12]


def _rgb(color: str) -> list[int]:
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.stem)
def test_joints_of_a_dropped_photo_lie_where_the_server_says(photo: Path, watched: Watched) -> None:
    answer = watched.show(photo)
    joints = sure_joints(answer)
    expected = watched.expected_points(answer, 0)[joints]
    assert len(joints) > 50
    assert np.abs(watched.drawn_points(0, joints) - expected).max() < 2


def test_the_pixels_at_the_joints_have_the_colours_of_the_joints(
    watched: Watched, site: Site
) -> None:
    answer = watched.show()
    watched.page.uncheck("#show-ids")
    points, colors = watched.expected_points(answer, 0), site.skeleton("wholebody133")
    lone = _lone(points, sure_joints(answer))
    assert len(lone) >= 5
    seen = [watched.pixel(points[joint]) for joint in lone]
    wanted = [_rgb(colors["joint_colors"][joint]) for joint in lone]
    assert np.abs(np.array(seen) - wanted).max() <= 2


@pytest.mark.parametrize("part", ["body", "face"])
def test_a_part_that_is_switched_off_disappears_and_comes_back(part: str, watched: Watched) -> None:
    watched.show()
    before = watched.picture()
    watched.page.uncheck(f"#show-{part}")
    without = watched.picture_after(before)
    watched.page.check(f"#show-{part}")
    assert watched.picture_after(without) == before


def test_boxes_and_ids_are_drawn_when_asked_for(watched: Watched) -> None:
    answer = watched.show(detector="person-n")
    assert answer["people"]
    before = watched.picture()
    watched.page.check("#show-boxes")
    with_boxes = watched.picture_after(before)
    watched.page.uncheck("#show-ids")
    assert watched.picture_after(with_boxes) not in (before, with_boxes)


def test_the_slider_hides_joints_that_score_less(watched: Watched) -> None:
    answer = watched.show()
    scores = [point[2] for point in answer["people"][0]["keypoints"]]
    joint = int(np.argmin(np.abs(np.array(scores) - 0.6)))
    call = f"() => posedistill.view.isDrawn(0, {joint})"
    for threshold in (scores[joint] - 0.02, scores[joint] + 0.02):
        watched.page.locator("#threshold").fill(f"{threshold:.2f}")
        assert watched.page.evaluate(call) == (scores[joint] >= round(threshold, 2))


def test_a_slider_above_all_scores_says_that_nothing_is_left(watched: Watched) -> None:
    photo = PHOTOS[1]
    answer = watched.show(photo)
    best = max(point[2] for point in answer["people"][0]["keypoints"])
    watched.page.evaluate(
        "(most) => { document.getElementById('threshold').max = most; }", best + 1
    )
    watched.page.locator("#threshold").fill(f"{best + 0.5:.2f}")
    expecting(watched.page.locator("#busy")).to_contain_text("No joint scores")


def test_joints_stay_on_the_photo_when_it_is_zoomed_at_the_pointer(watched: Watched) -> None:
    answer = watched.show()
    joint = sure_joints(answer)[0]
    before = watched.drawn_points(0, [joint])[0]
    box = watched.page.locator("#view").bounding_box()
    assert box is not None
    watched.page.mouse.move(box["x"] + before[0], box["y"] + before[1])
    watched.page.mouse.wheel(0, -600)
    expecting(watched.page.locator("#fit")).to_be_enabled()
    after = watched.drawn_points(0, [joint])[0]
    assert (
        np.abs(after - before).max() < 2
    )  # what is below the pointer stays there, but for its rounding
    others = sure_joints(answer)
    spread = np.ptp(watched.drawn_points(0, others), axis=0)
    assert (spread > 1.5 * np.ptp(watched.expected_points(answer, 0)[others], axis=0)).all()
    watched.page.click("#fit")
    moved = watched.drawn_points(0, others) - watched.expected_points(answer, 0)[others]
    assert np.abs(moved).max() < 2


def test_dragging_moves_a_zoomed_photo(watched: Watched) -> None:
    answer = watched.show()
    joint = sure_joints(answer)[0]
    for _ in range(4):
        watched.page.click("#zoom-in")
    before = watched.drawn_points(0, [joint])[0]
    box = watched.page.locator("#view").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    watched.page.mouse.move(*middle)
    watched.page.mouse.down()
    watched.page.mouse.move(middle[0] + 40, middle[1] + 25, steps=4)
    watched.page.mouse.up()
    assert watched.drawn_points(0, [joint])[0] - before == pytest.approx([40, 25], abs=1)


def test_the_view_has_a_pixel_for_each_pixel_of_a_dense_screen(
    site: Site, browser: "Browser"
) -> None:
    with browser.new_context(device_scale_factor=3) as context:
        watched = Watched.open(site, context)
        watched.show()
        size = watched.page.evaluate(
            "() => { const view = document.getElementById('view');"
            " return [view.width / view.clientWidth, view.height / view.clientHeight]; }"
        )
        assert size == pytest.approx([3, 3], abs=0.01)
        watched.check()


def test_the_joint_below_the_pointer_is_named_with_its_score(watched: Watched, site: Site) -> None:
    answer = watched.show()
    points = watched.expected_points(answer, 0)
    joint = _lone(points, sure_joints(answer))[0]
    box = watched.page.locator("#view").bounding_box()
    assert box is not None
    watched.page.mouse.move(box["x"] + points[joint][0] + 2, box["y"] + points[joint][1])
    name = site.skeleton("wholebody133")["joints"][joint].replace("_", " ")
    score = answer["people"][0]["keypoints"][joint][2]
    expecting(watched.page.locator("#tip")).to_have_text(f"{name} {score:.2f}")


def test_a_broken_file_is_named_with_what_is_wrong_and_the_others_go_on(watched: Watched) -> None:
    watched.expected.append("400 (Bad Request)")
    watched.expected.append("415")
    good = PHOTOS[0]
    watched.drop([("broken.jpg", good.read_bytes()[:300]), (good.name, good.read_bytes())])
    expecting(watched.page.locator("#alerts")).to_contain_text("broken.jpg: ")
    expecting(watched.page.locator("#counts")).to_have_text("2 photos, 1 failed")
    watched.page.locator(".thumb").nth(1).click()
    watched.wait_for(good.name)


def test_an_empty_file_is_told_without_asking_the_server(watched: Watched) -> None:
    watched.drop([("nothing.png", b"")])
    expecting(watched.page.locator("#alerts")).to_contain_text("nothing.png: The file is empty.")
    assert watched.at_once == 0


def test_a_photo_without_people_says_so_and_what_to_do(watched: Watched) -> None:
    _, data = cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))
    watched.drop([("grey.png", data.tobytes())])
    expecting(watched.page.locator("#busy")).to_contain_text("No people found. To take the whole")


def test_twenty_photos_at_once_are_all_done_with_two_on_their_way(watched: Watched) -> None:
    data = PHOTOS[1].read_bytes()
    watched.page.select_option("#detector", "none")
    watched.drop([(f"photo-{number}.jpg", data) for number in range(20)])
    expecting(watched.page.locator("#counts")).to_have_text("20 photos", timeout=60_000)
    expecting(watched.page.locator(".thumb[data-state=done] canvas")).to_have_count(20)
    assert watched.at_once == 2


def test_another_model_is_asked_for_all_photos(watched: Watched) -> None:
    watched.show(PHOTOS[0])
    watched.show(PHOTOS[1])
    second = watched.page.locator("#model option").nth(1).get_attribute("value")
    assert second is not None
    watched.page.select_option("#model", second)
    expecting(watched.page.locator("#summary")).to_contain_text(f"{second} took")
    answer: Record = watched.site.pose(PHOTOS[1], detector="none", model=second)
    joints = sure_joints(answer)
    expected = watched.expected_points(answer, 0)[joints]
    assert np.abs(watched.drawn_points(0, joints) - expected).max() < 2


def test_removing_all_photos_leads_back_to_the_beginning(watched: Watched) -> None:
    watched.show()
    watched.page.click("#clear")
    expecting(watched.page.locator("#empty")).to_be_visible()
    expecting(watched.page.locator("#strip-box")).to_be_hidden()
    expecting(watched.page.locator("#save-png")).to_be_disabled()


def test_the_demo_button_shows_a_bundled_photo(watched: Watched) -> None:
    watched.page.click("#demo")
    watched.wait_for("demo.jpg")
    expecting(watched.page.locator("#empty")).to_be_hidden()


def test_the_control_picture_stands_beside_and_follows_the_switches(watched: Watched) -> None:
    watched.show()
    watched.page.check("#show-control")
    image = watched.page.locator("#control-image")
    expecting(image).to_be_visible()
    before = image.get_attribute("src")
    assert before is not None
    watched.page.uncheck("#show-face")
    expecting(image).not_to_have_attribute("src", before)
    expecting(image).to_have_attribute("alt", "ControlNet picture of grace_hopper.jpg")
