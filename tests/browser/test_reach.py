"""Keyboard, small and dark screens, the token, and servers that cannot be reached."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import PHOTOS, Site, Watched, expecting

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import BrowserContext

_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".strip"))
  .map((one) => one.id || one.className)"""
_GROUND = "() => getComputedStyle(document.body).backgroundColor"
_UNNAMED = """() => [...document.querySelectorAll("button, input, select, #view, progress")]
  .filter((one) => !one.getAttribute("aria-label") && !one.labels?.length)
  .filter((one) => !one.textContent.trim())
  .map((one) => one.id || one.outerHTML)"""
_RING = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def test_nothing_leaves_a_screen_of_360_pixels(watched: Watched) -> None:
    watched.page.set_viewport_size({"width": 360, "height": 740})
    assert watched.page.evaluate(_WIDE) == []
    watched.show()
    watched.page.check("#show-control")
    watched.page.check("#compare")
    expecting(watched.page.locator("#differences .worst button").first).to_be_visible()
    assert watched.page.evaluate(_WIDE) == []
    assert watched.page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_page_is_dark_where_the_system_is(watched: Watched) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        watched.page.emulate_media(color_scheme=scheme)
        colors = watched.page.evaluate(_GROUND)
        grounds[scheme] = sum(int(number) for number in re.findall(r"\d+", colors))
    assert grounds["light"] > 600
    assert grounds["dark"] < 150


def test_every_control_has_a_name(watched: Watched) -> None:
    watched.show()
    assert watched.page.evaluate(_UNNAMED) == []


def test_all_can_be_reached_by_the_tab_key_in_order_and_with_a_ring(watched: Watched) -> None:
    watched.show()
    seen: list[str] = []
    for _ in range(45):
        watched.page.keyboard.press("Tab")
        name = watched.page.evaluate("() => document.activeElement.id")
        if name:
            assert watched.page.evaluate(_RING), name
            seen.append(name)
        if name == "save-zip":
            break
    wanted = ["choose", "webcam", "zoom-in", "view", "model", "show-body", "threshold"]
    wanted += ["show-control", "compare", "save-png", "save-zip"]
    assert [name for name in seen if name in wanted] == wanted


def test_a_photo_can_be_tried_walked_and_zoomed_by_keys_alone(watched: Watched) -> None:
    page = watched.page
    page.locator("#detector").focus()
    page.keyboard.press("ArrowDown")
    page.locator("#demo").focus()
    page.keyboard.press("Enter")
    watched.wait_for("demo.jpg")
    page.locator("#view").focus()
    page.keyboard.press("ArrowRight")
    expecting(page.locator("#joint")).to_have_text(re.compile(r"^nose \d\.\d\d$"))
    page.keyboard.press("ArrowRight")
    expecting(page.locator("#joint")).to_have_text(re.compile(r"^left eye \d\.\d\d$"))
    page.keyboard.press("+")
    expecting(page.locator("#fit")).to_be_enabled()
    page.keyboard.press("0")
    expecting(page.locator("#fit")).to_be_disabled()
    page.keyboard.press("Escape")
    expecting(page.locator("#tip")).to_be_hidden()


def test_arrows_walk_the_thumbnails_and_delete_removes_one(watched: Watched) -> None:
    watched.drop([(photo.name, photo.read_bytes()) for photo in PHOTOS])
    watched.wait_for(PHOTOS[0].name)
    watched.page.locator(".thumb").first.focus()
    watched.page.keyboard.press("ArrowRight")
    watched.wait_for(PHOTOS[1].name)
    watched.page.keyboard.press("Delete")
    watched.wait_for(PHOTOS[2].name)
    expecting(watched.page.locator(".thumb")).to_have_count(2)


@pytest.fixture
def guarded(guarded_site: Site, context: "BrowserContext") -> Iterator[Watched]:
    """Give the page of a server with a token."""
    watched = Watched.open(guarded_site, context)
    watched.expected += ["401", "413"]
    yield watched
    watched.check()


def test_the_token_is_asked_for_until_it_is_right_and_kept(guarded: Watched) -> None:
    guarded.enter_token("wrong")
    expecting(guarded.page.locator("#token-note")).to_contain_text("That was not the token")
    guarded.enter_token("open-sesame")
    expecting(guarded.page.locator("#model option").first).to_be_attached()
    guarded.page.reload()
    expecting(guarded.page.locator("#model option").first).to_be_attached()
    expecting(guarded.page.locator("#token-dialog")).to_be_hidden()


def test_a_photo_that_is_too_large_is_told_with_the_limit(guarded: Watched) -> None:
    guarded.enter_token("open-sesame")
    guarded.drop([("huge.jpg", PHOTOS[0].read_bytes() + b"\0" * 200_000)])
    expecting(guarded.page.locator("#alerts")).to_contain_text("this server takes at most 0.2 MB")
