"""Check: what is wrong with a file of labelled people, before anyone trains on it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from posedistill.datasets.check_people import (
    Image,
    Layout,
    Person,
    Row,
    faults_of,
    layout_of,
    read_person,
)
from posedistill.datasets.check_sides import crossed, mirrored
from posedistill.json_file import read_json
from posedistill.media import read_image
from posedistill.skeleton import Skeleton


class Kind(NamedTuple):
    """Say what findings have in common: a title, what follows from them, and how bad that is."""

    title: str
    meaning: str
    is_error: bool


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "record": Kind("Records that cannot be read", "Training would stop at them.", True),
        "unknown image": Kind(
            "People of an unknown image", "Their image_id is not among the images.", True
        ),
        "image missing": Kind(
            "Images that do not exist", "People are labelled in them; training would stop.", True
        ),
        "image unreadable": Kind("Images that cannot be decoded", "Fetch them again.", True),
        "image size": Kind(
            "Images of another size than the file says",
            "Labels may be of another resolution, or of the image before it was turned upright.",
            True,
        ),
        "image id twice": Kind("Image ids used twice", "Only the last of each is read.", True),
        "annotation id twice": Kind("Annotation ids used twice", "Scores would mix them up.", True),
        "not finite": Kind("Numbers that are not finite", "Such keypoints are not trained.", True),
        "box without area": Kind("Boxes without area", "These people are left out.", True),
        "box outside": Kind("Boxes outside their image", "These people are left out.", True),
        "all mirrored": Kind(
            "Left and right look exchanged in the whole file",
            "Most faces are placed as in a mirror.",
            True,
        ),
        "image unused": Kind(
            "Missing images in which nobody is labelled", "Training does not ask for them.", False
        ),
        "box beyond": Kind("Boxes that reach beyond their image", "They are clipped.", False),
        "keypoint beyond": Kind(
            "Keypoints outside their image", "They are trained all the same.", False
        ),
        "keypoint far": Kind(
            "Keypoints far from their box", "A wrong keypoint, or another person's box.", False
        ),
        "num_keypoints": Kind(
            "num_keypoints that do not match",
            "People for whom it is 0 are left out; nothing else depends on it.",
            False,
        ),
        "sides": Kind(
            "Left and right that look exchanged",
            "Judged from the pose; look at them. Some are unusual poses and right.",
            False,
        ),
    }
)
_FEWEST_FACES = 20  # for a word about the whole file


@dataclass(frozen=True, eq=False)
class Finding:
    """Hold one thing that was found.

    Attributes:
        kind: a key of `KINDS`. text: what and where, for people to read.
        person: whose label it is, or None where it is of an image or of the file.
    """

    kind: str
    text: str
    person: Person | None = None


@dataclass(frozen=True, eq=False)
class Findings:
    """Hold all that was found in a file.

    Attributes:
        annotations: the file. skeleton: of its people. people: those that could be read.
        num_images, num_records: in the file. found: in the order of `KINDS`.
    """

    annotations: Path
    skeleton: Skeleton
    num_images: int
    num_records: int
    people: Sequence[Person]
    found: Sequence[Finding]

    def of(self, kind: str) -> list[Finding]:
        """Give the findings of one kind."""
        return [finding for finding in self.found if finding.kind == kind]

    @property
    def num_errors(self) -> int:
        """Give how many findings are errors; the others are warnings."""
        return sum(KINDS[finding.kind].is_error for finding in self.found)


def check_data(annotations: Path, images_dir: Path, *, decode: bool = False) -> Findings:
    """Find what is wrong with an annotation file in a layout of COCO, and with its images.

    Knows COCO (17 keypoints), COCO-WholeBody (133) and Halpe (26, 136). decode: also decode every
    image, which takes most of the time. Left out are crowds and, of Halpe, records without
    keypoints. Raises FileNotFoundError and ValueError where the file as a whole is none of these.

    >>> from tempfile import TemporaryDirectory
    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> with TemporaryDirectory() as folder:
    ...     file, images_dir = DrawnPeople(2, size=64).write(Path(folder))
    ...     (images_dir / "000002.png").unlink()
    ...     findings = check_data(file, images_dir)
    ...     findings.num_errors, findings.found[0].kind
    (1, 'image missing')
    """
    content = read_json(annotations, kind="annotation file")
    keys = ("images", "annotations")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        raise ValueError(
            f"{annotations} is not a COCO annotation file: it needs lists 'images' and "
            "'annotations'"
        )
    image_rows, rows = content["images"], content["annotations"]
    layout = layout_of(rows, annotations)
    found: list[Finding] = []
    images = _read_images(image_rows, images_dir, found)
    people = _read_people(rows, images, layout=layout, found=found)
    found += _ids_twice(image_rows, rows)
    used = {person.image.image_id for person in people if person.labelled.any()}
    found += _image_findings(images, used, decode=decode)
    for person in people:
        found += [Finding(kind, text, person) for kind, text in faults_of(person, layout.skeleton)]
    found += _side_findings(people, layout.skeleton)
    order = list(KINDS)
    found.sort(key=lambda finding: order.index(finding.kind))
    return Findings(annotations, layout.skeleton, len(image_rows), len(rows), people, found)


def _read_images(rows: Sequence[Row], images_dir: Path, found: list[Finding]) -> dict[int, Image]:
    images = {}
    for index, row in enumerate(rows):
        try:
            size_wh = (int(row["width"]), int(row["height"]))
            images[row["id"]] = Image(row["id"], images_dir / row["file_name"], size_wh)
        except (KeyError, TypeError, ValueError) as error:
            found.append(Finding("record", f"image {index} of the file: {_told(error)}"))
    return images


def _read_people(
    rows: Sequence[Row], images: Mapping[int, Image], *, layout: Layout, found: list[Finding]
) -> list[Person]:
    people = []
    for index, row in enumerate(rows):
        where = f"annotation {index} of the file"
        try:
            if row.get("iscrowd", 0) or (layout.is_halpe and "keypoints" not in row):
                continue
            if row["image_id"] not in images:
                where = f"annotation {row['id']}"
                found.append(Finding("unknown image", f"{where}: image_id {row['image_id']}"))
                continue
            people.append(read_person(row, images, layout=layout))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            found.append(Finding("record", f"{where}: {_told(error)}"))
    return people


def _told(error: Exception) -> str:
    return f"it lacks {error.args[0]!r}" if isinstance(error, KeyError) else str(error)


def _ids_twice(image_rows: Sequence[Row], rows: Sequence[Row]) -> Iterator[Finding]:
    for kind, records in (("image id twice", image_rows), ("annotation id twice", rows)):
        ids = Counter(str(row["id"]) for row in records if isinstance(row, dict) and "id" in row)
        for key, count in ids.items():
            if count > 1:
                yield Finding(kind, f"id {key} is used {count} times")


def _image_findings(
    images: Mapping[int, Image], used: set[int], *, decode: bool
) -> Iterator[Finding]:
    for image in images.values():
        is_used = image.image_id in used
        if not image.path.is_file():
            yield Finding("image missing" if is_used else "image unused", str(image.path))
        elif is_used and image.path.stat().st_size == 0:
            yield Finding("image unreadable", f"{image.path}: the file is empty")
        elif is_used and decode:
            yield from _decoded(image)


def _decoded(image: Image) -> Iterator[Finding]:
    try:
        h, w = read_image(image.path).shape[:2]
    except ValueError as error:
        yield Finding("image unreadable", str(error))
        return
    if (w, h) != image.size_wh:
        claimed = "{}x{}".format(*image.size_wh)
        yield Finding("image size", f"{image.path} is {w}x{h}, the file says {claimed}")


def _side_findings(people: Sequence[Person], skeleton: Skeleton) -> Iterator[Finding]:
    shape = (-1, len(skeleton))
    labelled = np.array([person.labelled for person in people], bool).reshape(shape)
    points = np.array([person.keypoints for person in people], np.float64).reshape(*shape, 2)
    points = np.where(labelled[..., None], points, 0)
    is_mirrored, is_known = mirrored(points, labelled, skeleton=skeleton)
    found = crossed(points, labelled, skeleton=skeleton)
    if is_known.sum() >= _FEWEST_FACES and is_mirrored.sum() > is_known.sum() / 2:
        text = f"{is_mirrored.sum()} of {is_known.sum()} faces are placed as in a mirror"
        yield Finding("all mirrored", f"{text}: exchange left and right in the whole file")
    else:
        for index in np.flatnonzero(is_mirrored).tolist():
            found.setdefault(index, []).append("eyes and nose are placed as in a mirror")
    for index, texts in sorted(found.items()):
        yield Finding("sides", "; ".join(texts), people[index])
