"""The page as the tests use it: what a person does, and what the server answers by itself."""

import base64
import json
import subprocess
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import numpy as np
from numpy.typing import NDArray

import posedistill

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import (
        BrowserContext,
        ConsoleMessage,
        Locator,
        Page,
        Request,
    )

ROOT = Path(__file__).resolve().parents[2]
DEMO = Path(posedistill.__file__).parent / "assets" / "demo"
PHOTOS = tuple(DEMO / name for name in ("grace_hopper.jpg", "camera.jpg", "astronaut.jpg"))
MIN_SCORE = 0.3
SHIFTED_BINS = 16  # by which the second model of the tests moves all joints right
Record = dict[str, Any]  # Any: a JSON object
Points = NDArray[np.float64]

_DROP = """([names, datas]) => {
  const files = names.map((name, index) => {
    const bytes = Uint8Array.from(atob(datas[index]), (letter) => letter.charCodeAt(0));
    return new File([bytes], name, { type: name.endsWith(".jpg") ? "image/jpeg" : "" });
  });
  const dataTransfer = new DataTransfer();
  for (const file of files) dataTransfer.items.add(file);
  const stage = document.getElementById("stage");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    stage.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  }
}"""
_PIXEL = """([x, y]) => {
  const canvas = document.getElementById("view");
  const at = (value) => Math.floor(value * devicePixelRatio);
  return [...canvas.getContext("2d").getImageData(at(x), at(y), 1, 1).data.slice(0, 3)];
}"""
_POINTS = """([person, joints]) =>
  joints.map((joint) => posedistill.view.screenPoint(person, joint))"""
_BYTES = "() => document.getElementById('view').toDataURL()"


def expecting(locator: "Locator") -> Any:  # Any: Playwright does not export that class
    """Give Playwright's assertions, which wait for what they expect."""
    from playwright.sync_api import expect

    return expect(locator)


@dataclass(frozen=True)
class Site:
    """Name a running server."""

    url: str
    process: "subprocess.Popen[str]"

    def pose(self, photo: Path, **query: str) -> Record:
        """Ask the server itself, without the page."""
        return self._post("/v1/pose", photo, query)

    def skeleton(self, name: str) -> Record:
        with urllib.request.urlopen(f"{self.url}/v1/skeletons/{name}", timeout=30) as answer:
            return dict(json.load(answer))

    def _post(self, path: str, photo: Path, query: dict[str, str]) -> Record:
        url = f"{self.url}{path}?{urlencode(query)}"
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(url, photo.read_bytes(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))


@dataclass
class Watched:
    """Hold the page and what went wrong in it."""

    site: Site
    page: "Page"
    troubles: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # parts of console lines that are right
    photo: Path = PHOTOS[0]  # the last one shown
    at_once: int = 0  # most requests for poses together
    _open: "set[Request]" = field(default_factory=set)

    @staticmethod
    def open(site: Site, context: "BrowserContext") -> "Watched":
        watched = Watched(site, context.new_page())
        page = watched.page
        page.on("console", watched._hear)
        page.on("pageerror", lambda error: watched.troubles.append(f"script: {error}"))
        page.on("request", watched._sent)
        page.on("requestfinished", watched._ended)
        page.on("requestfailed", watched._ended)
        page.goto(site.url)
        return watched

    def _hear(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text} {message.location['url']}")

    def _sent(self, request: "Request") -> None:
        address = urlsplit(request.url)
        if address.scheme != "blob" and address.netloc != urlsplit(self.site.url).netloc:
            self.troubles.append(f"a request left the server: {request.url}")
        if address.path == "/v1/pose":
            self._open.add(request)
            self.at_once = max(self.at_once, len(self._open))

    def _ended(self, request: "Request") -> None:
        self._open.discard(request)

    def check(self) -> None:
        """Fail for whatever went wrong and was not expected."""
        odd = [line for line in self.troubles if not any(part in line for part in self.expected)]
        assert not odd, odd

    def drop(self, photos: Sequence[tuple[str, bytes]]) -> None:
        """Drop files on the picture."""
        datas = [base64.b64encode(data).decode() for _, data in photos]
        self.page.evaluate(_DROP, [[name for name, _ in photos], datas])

    def enter_token(self, token: str) -> None:
        """Answer the page's question for the token, and wait until it has been tried."""
        expecting(self.page.locator("#token-dialog")).to_be_visible()
        self.page.fill("#token", token)
        with self.page.expect_response("**/v1/models"):
            self.page.click("#token-form button[type=submit]")

    def show(self, photo: Path = PHOTOS[0], *, detector: str = "none") -> Record:
        """Choose the detector, drop a photo, wait for its people; give what the server says."""
        expecting(self.page.locator("#model option").first).to_be_attached()
        self.page.select_option("#detector", detector)
        self.photo = photo
        self.drop([(photo.name, photo.read_bytes())])
        self.wait_for(photo.name)
        return self.site.pose(photo, detector=detector)

    def wait_for(self, name: str) -> None:
        expecting(self.page.locator("#summary")).to_contain_text(f"{name}: ")

    def pixel(self, xy: Points) -> list[int]:
        """Give the colour of the view at a point, in CSS pixels from its corner."""
        return list(self.page.evaluate(_PIXEL, [float(xy[0]), float(xy[1])]))

    def picture(self) -> str:
        """Give all that the view shows, as text that can be compared."""
        return str(self.page.evaluate(_BYTES))

    def picture_after(self, before: str) -> str:
        """Give what the view shows as soon as that is something else, or after two seconds."""
        for _ in range(40):
            now = self.picture()
            if now != before:
                break
            self.page.wait_for_timeout(50)
        return now

    def drawn_points(self, person: int, joints: Sequence[int]) -> Points:
        """Give where the page says that it has drawn joints: (n, 2)."""
        points = self.page.evaluate(_POINTS, [person, list(joints)])
        return np.array(points, np.float64)

    def expected_points(self, answer: Record, person: int) -> Points:
        """Give where joints belong on the view when the whole photo fits: (K, 2)."""
        box = self.page.locator("#view").bounding_box()
        assert box is not None
        room = np.array([box["width"], box["height"]])
        size = np.array([answer["width"], answer["height"]])
        scale = (room / size).min()
        points = np.array(answer["people"][person]["keypoints"], np.float64)[:, :2]
        placed: Points = (points + 0.5) * scale + (room - size * scale) / 2
        return placed


def sure_joints(answer: Record, person: int = 0, *, joints: range = range(133)) -> list[int]:
    """Give the joints that are drawn at first."""
    return [k for k in joints if answer["people"][person]["keypoints"][k][2] >= MIN_SCORE]
