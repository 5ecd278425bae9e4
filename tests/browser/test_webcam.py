"""The webcam on the page, by Chromium's fake one."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import PHOTOS, Site, Watched, expecting

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import BrowserContext

_REFUSE = """() => {
  navigator.mediaDevices.getUserMedia = () =>
    Promise.reject(new DOMException("no", "NotAllowedError"));
}"""


_LISTEN = """() => {
  window.marks = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (!window.marks.length) this.addEventListener("message", () => window.marks.push("got"));
    window.marks.push("sent");
    send.call(this, data);
  };
}"""
_HEARD = """async () => {
  while (window.marks.length < 8) await new Promise((done) => setTimeout(done, 50));
  return window.marks.slice(0, 8);
}"""


@pytest.fixture
def filmed(watched: Watched) -> Watched:
    """Give the page with the webcam on and its first frame shown."""
    expecting(watched.page.locator("#model option").first).to_be_attached()
    watched.page.select_option("#detector", "none")
    watched.page.context.grant_permissions(["camera"])
    watched.page.click("#webcam")
    expecting(watched.page.locator("#live")).to_have_text(re.compile(r"\d\.\d frames/s, \d+ ms"))
    return watched


def test_the_webcam_shows_people_with_ids_frames_and_latency(filmed: Watched) -> None:
    joints = "() => [...Array(133).keys()].filter((joint) => posedistill.view.isDrawn(0, joint))"
    assert len(filmed.page.evaluate(joints)) > 20
    assert filmed.page.evaluate("() => posedistill.view.person(0).id") == 1
    rate = float(filmed.page.locator("#live").inner_text().split()[0])
    assert 0 < rate < 120


def test_frames_go_on_and_only_one_is_on_its_way(watched: Watched) -> None:
    watched.page.evaluate(_LISTEN)
    watched.page.context.grant_permissions(["camera"])
    watched.page.click("#webcam")
    assert watched.page.evaluate(_HEARD) == ["sent", "got"] * 4


def test_stopping_gives_the_webcam_back_and_the_beginning(filmed: Watched) -> None:
    filmed.page.click("#webcam")
    expecting(filmed.page.locator("#empty")).to_be_visible()
    expecting(filmed.page.locator("#live")).to_be_hidden()
    expecting(filmed.page.locator("#webcam")).to_have_text("Use the webcam")
    assert filmed.page.evaluate("() => posedistill.webcam.isOn") is False


def test_a_frame_that_is_kept_becomes_a_photo(filmed: Watched) -> None:
    filmed.page.click("#keep")
    expecting(filmed.page.locator("#summary")).to_contain_text(re.compile(r"^webcam-\d{6}\.jpg: "))
    expecting(filmed.page.locator("#counts")).to_have_text("1 photo")


def test_a_webcam_that_is_refused_is_told_in_words(watched: Watched) -> None:
    watched.page.evaluate(_REFUSE)
    watched.page.click("#webcam")
    expecting(watched.page.locator("#alerts")).to_contain_text("not allowed to use the webcam")
    expecting(watched.page.locator("#empty")).to_be_visible()


def test_a_server_that_ends_is_told_in_words_while_filming_and_for_photos(
    fleeting_site: Site, context: "BrowserContext"
) -> None:
    context.grant_permissions(["camera"])
    watched = Watched.open(fleeting_site, context)
    expecting(watched.page.locator("#model option").first).to_be_attached()
    watched.page.select_option("#detector", "none")
    watched.page.click("#webcam")
    expecting(watched.page.locator("#live")).to_contain_text("frames/s")
    fleeting_site.process.kill()
    fleeting_site.process.wait()
    expecting(watched.page.locator("#alerts")).to_contain_text("has ended the live picture")
    expecting(watched.page.locator("#webcam")).to_have_text("Use the webcam")
    watched.drop([(PHOTOS[0].name, PHOTOS[0].read_bytes())])
    words = f"{PHOTOS[0].name}: The server does not answer."
    expecting(watched.page.locator("#alerts")).to_contain_text(words)
    watched.expected.append("ERR_CONNECTION_REFUSED")
    watched.check()
