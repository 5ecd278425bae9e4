"""Draw docs/img/web-*: the page as a person sees it, with the bundled photos.

Run in the project's folder: python -m tests.browser.screenshots
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
from onnx import numpy_helper

import posedistill
from tests.browser.fake_webcam import write_y4m
from tests.browser.programs import browsing, serving
from tests.browser.site import PHOTOS, ROOT, Site, Watched, expecting

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import Browser

_FOLDER = ROOT / "docs" / "img"
_BITS = 5
_STEADY_MS = 2500  # for frames to be counted, and pictures to arrive


def main() -> None:
    """Write all pictures."""
    with TemporaryDirectory() as folder:
        film, rounded = Path(folder, "film.y4m"), Path(folder, f"rounded-{_BITS}-bits.onnx")
        write_y4m(film, PHOTOS[0])
        _write_rounded(rounded)
        options = ("--model", "wholebody-t", "--model", str(rounded))
        with serving(*options) as site, browsing(film) as browser:
            _photos(site, browser, scheme="light")
            _photos(site, browser, scheme="dark")
            _compare(site, browser)
            _webcam(site, browser)
            _phone(site, browser)


def _write_rounded(path: Path) -> None:
    """Write the embedded model with its weights rounded to a few bits."""
    model = onnx.load(Path(posedistill.__file__).parent / "assets" / "wholebody-t.onnx")
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim >= 2 and weights.dtype.kind == "f":
            step = np.abs(weights).max() / 2 ** (_BITS - 1)
            rounded = (np.rint(weights / step) * step).astype(weights.dtype)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, path)


def _open(
    site: Site,
    browser: "Browser",
    *,
    scheme: Literal["light", "dark"] = "light",
    size_wh: tuple[int, int] = (1280, 800),
) -> Watched:
    context = browser.new_context(
        viewport={"width": size_wh[0], "height": size_wh[1]},
        color_scheme=scheme,
        permissions=["camera"],
    )
    watched = Watched.open(site, context)
    expecting(watched.page.locator("#model option").first).to_be_attached()
    return watched


def _shoot(watched: Watched, name: str) -> None:
    watched.page.wait_for_timeout(_STEADY_MS)
    watched.page.screenshot(path=_FOLDER / name, type="jpeg", quality=85)
    watched.check()
    watched.page.context.close()


def _photos(site: Site, browser: "Browser", *, scheme: Literal["light", "dark"]) -> None:
    watched = _open(site, browser, scheme=scheme)
    watched.page.check("#show-control")
    watched.show(PHOTOS[2])
    watched.show(PHOTOS[1])
    answer = watched.show(PHOTOS[0])
    x, y = watched.drawn_points(0, [0])[0] if answer["people"] else (0, 0)
    watched.page.locator("#view").hover(position={"x": float(x), "y": float(y)})
    _shoot(watched, f"web-{scheme}.jpg")


def _compare(site: Site, browser: "Browser") -> None:
    watched = _open(site, browser)
    watched.show(PHOTOS[0])
    watched.page.check("#compare")
    expecting(watched.page.locator("#differences .worst button").first).to_be_visible()
    for _ in range(2):
        watched.page.click("#zoom-in")
    watched.page.locator("#differences").scroll_into_view_if_needed()
    _shoot(watched, "web-compare.jpg")


def _webcam(site: Site, browser: "Browser") -> None:
    watched = _open(site, browser)
    watched.page.select_option("#detector", "none")
    watched.page.click("#webcam")
    expecting(watched.page.locator("#live")).to_contain_text("frames/s")
    _shoot(watched, "web-webcam.jpg")


def _phone(site: Site, browser: "Browser") -> None:
    watched = _open(site, browser, size_wh=(360, 740))
    watched.show(PHOTOS[1])
    watched.show(PHOTOS[0])
    _shoot(watched, "web-phone.jpg")


if __name__ == "__main__":
    main()
