"""The page of a check: summary, histograms and pictures in one HTML file that fetches nothing."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.check import KINDS, Finding, Findings
from posedistill.datasets.check_people import Person
from posedistill.draw.overlay import draw_overlay
from posedistill.media import read_image, write_whole
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_CELL_WH = (220, 300)  # pixels of a picture
_MARGIN = 0.08  # of the longer side, around what a picture shows
_LARGEST = 5.0  # factor that small people are enlarged by
_JPEG_QUALITY = 82
_LISTED = 300  # findings of a kind that the page lists; a file has them all
_BAR_WH = (34, 110)
_LEGEND = (
    "Each picture stands twice: as it is, and with its labels. A person's own left is blue, their "
    "right orange; grey lies outside the image."
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fbfbfa; --soft: #667085;
  --line: #d9dce1; --card: #fff; --bar: #4a7fb5; --error: #b42318; --warning: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --paper: #14171c; --soft: #9aa3b2;
  --line: #333a45; --card: #1c2027; --bar: #6ea3d8; --error: #ff8a7a; --warning: #e3b341; } }
body { margin: 0 auto; max-width: 78rem; padding: 2rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; } .soft { color: var(--soft); }
.error { color: var(--error); } .warning { color: var(--warning); }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { text-align: left; padding: .3rem 1.25rem .3rem 0; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
a { color: inherit; } .charts { display: flex; flex-wrap: wrap; gap: 1.5rem 3rem; }
figure { margin: 0; } .charts figcaption { font-weight: 600; margin-bottom: .25rem; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--soft);
  font-size: 11px; text-anchor: middle; }
svg rect { fill: var(--bar); }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.cards figure { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem; width: min(30rem, 100%); box-sizing: border-box; }
.pair { display: flex; gap: .4rem; justify-content: center; margin-bottom: .5rem; }
.pair img { max-width: calc(50% - .2rem); height: auto; align-self: start; border-radius: 3px; }
.cards figcaption { font-size: .85rem; } details { margin: .5rem 0; }
summary { cursor: pointer; } li { font-size: .9rem; }
"""


def write_page(findings: Findings, path: Path, *, pictures: int = 12) -> None:
    """Write what a check found as one HTML file that needs no other.

    pictures: of each kind, at most; people of one kind are taken from all over the file.

    >>> from tempfile import TemporaryDirectory
    >>> from posedistill.datasets.check import check_data
    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> with TemporaryDirectory() as folder:
    ...     findings = check_data(*DrawnPeople(2, size=64).write(Path(folder)))
    ...     write_page(findings, Path(folder, "check.html"))
    ...     "nothing was found" in Path(folder, "check.html").read_text(encoding="utf-8")
    True
    """
    name = escape(findings.annotations.name)
    sections = [_section(findings, kind, pictures) for kind in KINDS if findings.of(kind)]
    legend = f'<p class="soft">{_LEGEND}</p>' if any("<img" in text for text in sections) else ""
    body = [f"<h1>Check of {name}</h1>", _summary(findings), _charts(findings), legend, *sections]
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Check of {name}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
    write_whole(path, page.encode())


def _summary(findings: Findings) -> str:
    num_errors = findings.num_errors
    counts = [
        f"{len(findings.people):,} people with keypoints in {findings.num_images:,} images",
        f"{findings.num_records:,} records",
        f"skeleton {findings.skeleton.name}",
    ]
    lead = f"<p>{'; '.join(counts)}. File: {escape(str(findings.annotations))}</p>"
    if not findings.found:
        return f"{lead}<p><strong>Of all that is looked for, nothing was found.</strong></p>"
    rows = []
    for kind, (title, _, is_error) in KINDS.items():
        count = len(findings.of(kind))
        degree = "error" if is_error else "warning"
        link = f'<a href="#{_anchor(kind)}">{title}</a>'
        if count:
            rows.append(
                f'<tr><td class="{degree}">{degree}</td><td>{link}</td>'
                f'<td class="number">{count:,}</td></tr>'
            )
    clean = [
        title[0].lower() + title[1:] for kind, (title, *_) in KINDS.items() if not findings.of(kind)
    ]
    totals = f"{num_errors:,} errors and {len(findings.found) - num_errors:,} warnings."
    return (
        f"{lead}<p><strong>{totals}</strong></p><table><tr><th></th><th>what</th><th>how many</th>"
        f'</tr>{"".join(rows)}</table><p class="soft">Not found: {"; ".join(clean)}.</p>'
    )


def _anchor(kind: str) -> str:
    return kind.replace(" ", "-")


def _charts(findings: Findings) -> str:
    skeleton, people = findings.skeleton, findings.people
    body = skeleton.groups["body"]
    per_person = [int(person.labelled[body].sum()) for person in people]
    joints = np.bincount(per_person, minlength=len(body) + 1)
    sizes = [max(person.box_xyxy[2:] - person.box_xyxy[:2]) for person in people]
    usable = np.array([size for size in sizes if np.isfinite(size) and size > 0])
    powers = np.clip(np.floor(np.log2(usable)), 3, 10).astype(int) - 3 if len(usable) else []
    octaves = np.bincount(np.asarray(powers, int), minlength=8)
    limits = ["below 16", *(str(2**power) for power in range(4, 11))]
    charts = [
        ("Labelled body joints of a person", joints, [str(k) for k in range(len(joints))]),
        ("Longer side of the box, pixels from", octaves, limits),
    ]
    if len(skeleton.groups) > 1:
        counts = [
            sum(bool(person.labelled[index].any()) for person in people)
            for index in skeleton.groups.values()
        ]
        names = [name.replace("_", " ") for name in skeleton.groups]
        charts.append(("People with a labelled", np.array(counts), names))
    figures = [
        f"<figure><figcaption>{title}</figcaption>{_bars(counts, labels, title=title)}</figure>"
        for title, counts, labels in charts
    ]
    return f'<h2>What is labelled</h2><div class="charts">{"".join(figures)}</div>'


def _bars(numbers: NDArray[np.integer], labels: Sequence[str], *, title: str) -> str:
    """Draw counts as bars, each with its number above and its label below."""
    counts = [int(count) for count in numbers]
    longest = max(map(len, labels))
    step, height = max(_BAR_WH[0], 7 * longest), _BAR_WH[1]
    top = max([*counts, 1])
    parts = []
    for index, (count, label) in enumerate(zip(counts, labels, strict=True)):
        h = height * count / top
        x, middle = index * step + 3, index * step + step / 2
        y = 16 + height - h
        parts.append(
            f'<rect x="{x}" y="{y:.1f}" width="{step - 6}" height="{h:.1f}"/>'
            f'<text x="{middle}" y="{y - 4:.1f}">{_short(count)}</text>'
            f'<text x="{middle}" y="{height + 30}">{escape(label)}</text>'
        )
    w, h = step * len(counts), height + 36
    return f'<svg role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}">{"".join(parts)}</svg>'


def _short(count: int) -> str:
    return str(count) if count < 1000 else f"{count / 1000:.3g}k"


def _section(findings: Findings, kind: str, pictures: int) -> str:
    title, meaning, is_error = KINDS[kind]
    found = findings.of(kind)
    degree = "error" if is_error else "warning"
    head = (
        f'<h2 id="{_anchor(kind)}"><span class="{degree}">{degree}</span> {title}: '
        f'{len(found):,}</h2><p class="soft">{meaning}</p>'
    )
    of_people = [finding for finding in found if finding.person is not None]
    chosen = np.unique(np.linspace(0, len(of_people) - 1, pictures).round().astype(int))
    shown = [of_people[index] for index in chosen] if of_people else []
    cards = "".join(_card(finding, findings.skeleton) for finding in shown)
    rest = [finding for finding in found if finding not in shown]
    if not rest:
        return f'{head}<div class="cards">{cards}</div>'
    lines = "".join(f"<li>{escape(_words(finding))}</li>" for finding in rest[:_LISTED])
    more = f"<p>and {len(rest) - _LISTED:,} more</p>" if len(rest) > _LISTED else ""
    is_open = "" if shown else " open"
    label = f"{len(rest):,} {'more ' if shown else ''}in words"
    listed = f"<details{is_open}><summary>{label}</summary><ul>{lines}</ul>{more}</details>"
    return f'{head}<div class="cards">{cards}</div>{listed}' if cards else head + listed


def _words(finding: Finding) -> str:
    if finding.person is None:
        return finding.text
    person = finding.person
    return f"{person.image.path.name}, annotation {person.annotation_id}: {finding.text}"


def _card(finding: Finding, skeleton: Skeleton) -> str:
    assert finding.person is not None
    caption = f"<figcaption>{escape(_words(finding))}</figcaption>"
    try:
        image = read_image(finding.person.image.path)
    except (ValueError, FileNotFoundError):  # a finding of its own
        return f"<figure>{caption}</figure>"
    plain, drawn = _pictures(image, finding.person, skeleton, boxes=finding.kind != "sides")
    return f'<figure><div class="pair">{_img(plain)}{_img(drawn)}</div>{caption}</figure>'


def _img(picture_rgb: NDArray[np.uint8]) -> str:
    bgr = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    text = base64.b64encode(data.tobytes()).decode()
    return f'<img alt="" src="data:image/jpeg;base64,{text}">'


def _pictures(
    image_rgb: NDArray[np.uint8], person: Person, skeleton: Skeleton, *, boxes: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give a person cut out, plain and with the labels drawn."""
    x1, y1, x2, y2 = _region(person, (image_rgb.shape[1], image_rgb.shape[0]))
    crop = _cut(image_rgb, (x1, y1, x2, y2))
    factor = min(_CELL_WH[0] / (x2 - x1), _CELL_WH[1] / (y2 - y1), _LARGEST)
    size = (max(round((x2 - x1) * factor), 1), max(round((y2 - y1) * factor), 1))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    plain = np.asarray(cv2.resize(crop, size, interpolation=way), np.uint8)
    corner = np.array([x1, y1])
    poses = Poses(
        keypoints=_drawable((person.keypoints - corner) * factor)[None],
        scores=person.labelled[None].astype(np.float32),
        boxes_xyxy=_drawable((person.box_xyxy - np.tile(corner, 2)) * factor)[None],
        box_scores=np.ones(1, np.float32),
        skeleton=skeleton,
    )
    return plain, draw_overlay(plain, poses, boxes=boxes)


def _drawable(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.nan_to_num(values, nan=1e9, posinf=1e9, neginf=-1e9).astype(np.float32)


def _region(person: Person, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Give what to show: box and labelled keypoints, at most half an image beyond its edges."""
    corners = person.box_xyxy.reshape(2, 2)
    points = np.concatenate([corners, person.keypoints[person.labelled]])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return 0, 0, *size_wh
    size = np.array(size_wh, np.float64)
    low, high = np.clip([points.min(axis=0), points.max(axis=0)], -size / 2, 1.5 * size)
    margin = max(_MARGIN * float((high - low).max()), 4.0)
    x1, y1 = np.floor(low - margin).astype(int).tolist()
    x2, y2 = np.ceil(high + margin).astype(int).tolist()
    return x1, y1, x2, y2


def _cut(image_rgb: NDArray[np.uint8], region: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Cut a region out of an image; what lies outside the image is grey."""
    h, w = image_rgb.shape[:2]
    x1, y1, x2, y2 = region
    crop = np.full((y2 - y1, x2 - x1, 3), 128, np.uint8)
    left, right, top, bottom = max(x1, 0), min(x2, w), max(y1, 0), min(y2, h)
    if right > left and bottom > top:
        crop[top - y1 : bottom - y1, left - x1 : right - x1] = image_rgb[top:bottom, left:right]
    return crop
