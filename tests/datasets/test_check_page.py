import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.datasets.check import KINDS, check_data
from posedistill.datasets.check_page import write_page
from posedistill.datasets.drawn import DrawnPeople

Rows = list[dict[str, Any]]  # Any: JSON records
_VOID = {"meta", "img", "rect"}  # elements without content


class _Reader(HTMLParser):
    """Note elements, links and sources, and that every element is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.targets.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in _VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.opened and self.opened[-1] != "style":
            self.words.append(data)

    @property
    def pictures(self) -> list[NDArray[np.uint8]]:
        codes = [target.partition("base64,")[2] for target in self.targets if target[0] != "#"]
        data = [np.frombuffer(base64.b64decode(code), np.uint8) for code in codes]
        return [np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8) for code in data]


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., tuple[str, _Reader]]:
    """Give a function that checks 12 drawn people after a change and reads the page of that."""

    def written(
        change: Callable[[Rows], object] = lambda rows: None,
        *,
        pictures: int = 12,
        name: str = "a.json",
    ) -> tuple[str, _Reader]:
        annotations, images_dir = DrawnPeople(12, seed=1, size=96).write(tmp_path)
        content = json.loads(annotations.read_text())
        change(content["annotations"])
        (tmp_path / name).write_text(json.dumps(content))
        write_page(check_data(tmp_path / name, images_dir), tmp_path / "a.html", pictures=pictures)
        text = (tmp_path / "a.html").read_text(encoding="utf-8")
        reader = _Reader()
        reader.feed(text)
        assert reader.opened == []
        return text, reader

    return written


def _flatten_boxes(rows: Rows) -> None:
    for row in rows[:5]:
        row["bbox"][2] = 0


def _all_faults(rows: Rows) -> None:
    rows[0]["bbox"] = [500, 500, 10, 10]
    rows[1]["bbox"] = [5, 5, float("nan"), 10]
    rows[2]["keypoints"][0] = float("nan")
    rows[3]["keypoints"][:3] = [-1e6, 1e9, 2]
    rows[4]["bbox"] = [-30, -30, 200, 200]
    rows[5]["bbox"] = [40, 40, 5, 5]
    rows[6]["id"] = 1
    rows[7]["image_id"] = 99
    rows[8]["keypoints"] = "<b>"
    rows[9]["bbox"] = [3, 3, 0, 0]
    rows[9]["num_keypoints"] = 4


def test_the_page_asks_for_nothing_outside_itself(
    page: Callable[..., tuple[str, _Reader]],
) -> None:
    text, reader = page(_all_faults)
    assert all(target.startswith(("#", "data:image/jpeg;base64,")) for target in reader.targets)
    assert not {"script", "link", "iframe", "object", "base"} & set(reader.tags)
    assert not re.search(r"https?:|@import|url\(", text)


def test_it_names_every_kind_that_was_found_with_its_count(
    page: Callable[..., tuple[str, _Reader]],
) -> None:
    text, reader = page(_flatten_boxes)
    assert reader.words.count("Boxes without area") == 1
    assert '<h2 id="box-without-area">' in text
    assert "Boxes without area: 5" in " ".join(" ".join(reader.words).split())
    assert reader.ids == ["box-without-area"]
    assert [target for target in reader.targets if target[0] == "#"] == ["#box-without-area"]


def test_it_says_what_was_looked_for_in_vain(page: Callable[..., tuple[str, _Reader]]) -> None:
    _, reader = page(_flatten_boxes)
    (line,) = [word for word in reader.words if word.startswith("Not found:")]
    assert line.count(";") == len(KINDS) - 2


def test_a_clean_file_has_a_page_too(page: Callable[..., tuple[str, _Reader]]) -> None:
    _, reader = page()
    assert any("nothing was found" in word for word in reader.words)
    assert not reader.pictures
    assert "12 people with keypoints in 12 images" in " ".join(reader.words)


@pytest.mark.parametrize(("pictures", "shown"), [(0, 0), (1, 1), (3, 3), (12, 5)])
def test_people_are_shown_up_to_a_number_and_the_rest_is_told(
    page: Callable[..., tuple[str, _Reader]], pictures: int, shown: int
) -> None:
    _, reader = page(_flatten_boxes, pictures=pictures)
    assert len(reader.pictures) == 2 * shown
    assert reader.tags.count("li") == 5 - shown
    assert len(re.findall(r"annotation \d+: box", " ".join(reader.words))) == 5


def test_the_second_picture_is_the_first_with_labels_drawn(
    page: Callable[..., tuple[str, _Reader]],
) -> None:
    _, reader = page(_flatten_boxes)
    for plain, drawn in zip(reader.pictures[::2], reader.pictures[1::2], strict=True):
        assert plain.shape == drawn.shape
        difference = np.abs(plain.astype(int) - drawn.astype(int)).max(axis=2)
        assert 0.005 < (difference > 40).mean() < 0.5


def test_every_fault_can_be_shown(page: Callable[..., tuple[str, _Reader]]) -> None:
    _, reader = page(_all_faults)
    assert len(reader.pictures) >= 14
    assert all(max(picture.shape) <= 300 for picture in reader.pictures)


def test_words_of_the_file_are_no_markup(page: Callable[..., tuple[str, _Reader]]) -> None:
    text, reader = page(_all_faults, name="<i>&amp;.json")
    assert not {"i", "b"} & set(reader.tags)
    assert "Check of &lt;i&gt;&amp;amp;.json" in text


def test_it_is_readable_in_the_dark(page: Callable[..., tuple[str, _Reader]]) -> None:
    text, _ = page()
    light, dark = re.findall(r"--ink: (#\w+); --paper: (#\w+)", text)
    assert light != dark
    for ink, paper in (light, dark):
        levels = [np.mean([int(code[i : i + 2], 16) for i in (1, 3, 5)]) for code in (ink, paper)]
        assert abs(levels[0] - levels[1]) > 150


def test_the_charts_count_everybody(page: Callable[..., tuple[str, _Reader]]) -> None:
    text, _ = page()
    charts = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    numbers = [[int(n) for n in re.findall(r"<text[^>]*>(\d+)</text>", svg)] for svg in charts]
    joints = numbers[0][::2]
    assert len(charts) == 3
    assert (len(joints), sum(joints)) == (18, 12)
    assert numbers[0][1::2] == list(range(18))
