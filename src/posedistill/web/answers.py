"""Answers: poses, models and skeletons as the JSON that callers get."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill import __version__
from posedistill.draw.overlay import skeleton_colors
from posedistill.draw.presets import PRESETS
from posedistill.formats.coco_json import write_annotations
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.openpose_json import write_openpose
from posedistill.json_file import shortest
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from posedistill.web.batcher import Estimated
from posedistill.web.errors import ApiError
from posedistill.web.networks import WHOLE_IMAGE, Choice, Networks
from posedistill.web.settings import Settings

Record = dict[str, Any]  # Any: a JSON object
Size = tuple[int, int]


def poses_record(choice: Choice, size_wh: Size, *, done: Estimated) -> Record:
    """Give the poses of a picture of that size, with what they were made by and the time it took.

    >>> poses = Poses.empty(Skeleton.get("coco17"))
    >>> done = Estimated(poses, wait_s=0.0, work_s=0.002)
    >>> poses_record(Choice("a", "none"), (4, 3), done=done)["timing_ms"]
    {'wait': 0.0, 'work': 2.0}
    """
    poses = done.poses
    ids = [None] * len(poses) if poses.ids is None else poses.ids.tolist()
    rows = zip(ids, shortest(poses.box_scores), poses, strict=True)
    return {
        "model": choice.model,
        "detector": choice.detector,
        "width": size_wh[0],
        "height": size_wh[1],
        "skeleton": poses.skeleton.name,
        "people": [_person(person, score, poses=one) for person, score, one in rows],
        "timing_ms": {
            "wait": round(1000 * done.wait_s, 3),
            "work": round(1000 * done.work_s, 3),
        },
    }


def _person(person_id: int | None, score: float, *, poses: Poses) -> Record:
    triplets = np.concatenate([poses.keypoints[0], poses.scores[0, :, None]], axis=1)
    flat = shortest(triplets.ravel())
    return {
        "id": person_id,
        "score": score,
        "box": shortest(poses.boxes_xyxy[0]),
        "keypoints": [flat[start : start + 3] for start in range(0, len(flat), 3)],
    }


def poses_json(
    format_name: str, choice: Choice, size_wh: Size, done: Estimated
) -> bytes:  # house rule: one argument for each thing a format may hold
    """Give the poses as JSON text of a format: ``posedistill``, ``coco`` or ``openpose``.

    Raises ApiError for a skeleton that the format does not know.

    >>> done = Estimated(Poses.empty(Skeleton.get("coco17")), 0.0, 0.0)
    >>> sorted(json.loads(poses_json("coco", Choice("a", "none"), (4, 3), done)))
    ['annotations', 'categories', 'images', 'info']
    """
    write = _WRITERS.get(format_name)
    if write is None:
        return json.dumps(poses_record(choice, size_wh, done=done)).encode()
    with TemporaryDirectory(prefix="posedistill") as folder:
        file = Path(folder, "poses.json")
        try:
            write(file, done.poses, size_wh)
        except ValueError as error:
            reason = str(error).removeprefix(f"{file}: ")
            raise ApiError(422, "bad_option", message=f"format={format_name}: {reason}") from error
        return file.read_bytes()


def _write_coco(path: Path, poses: Poses, size_wh: Size) -> None:
    image = ImagePoses(1, poses, "image", size_wh)
    write_annotations(path, [image], skeleton=poses.skeleton, version=__version__)


def _write_openpose(path: Path, poses: Poses, size_wh: Size) -> None:
    write_openpose(path, poses, size_wh=size_wh)


_WRITERS: Mapping[str, Callable[[Path, Poses, Size], None]] = {
    "coco": _write_coco,
    "openpose": _write_openpose,
}


def models_record(networks: Networks, settings: Settings) -> Record:
    """Give what may be asked for, and how large a picture may be.

    >>> with Networks(Settings()) as networks:
    ...     record = models_record(networks, Settings())
    >>> [model["name"] for model in record["models"]], record["models"][0]["input_wh"]
    (['wholebody-t'], [192, 256])
    """
    models = [
        {
            "name": name,
            "title": f"{name}, {session.spec.architecture}",
            "input_wh": list(session.spec.input_size_wh),
            "skeleton": session.spec.skeleton,
            "licence": session.spec.licence,
            "default": index == 0,
            "ready": True,  # all are opened before the first request
        }
        for index, (name, session) in enumerate(networks.sessions.items())
    ]
    detectors = [
        {
            "name": name,
            "title": "the whole image is one person" if name == WHOLE_IMAGE else name,
            "default": index == 0,
        }
        for index, name in enumerate(networks.detectors)
    ]
    return {
        "models": models,
        "detectors": detectors,
        "presets": [{"name": one.name, "title": one.title} for one in PRESETS.values()],
        "limits": {"bytes": settings.max_bytes, "pixels": settings.max_pixels},
    }


def skeleton_record(name: str) -> Record:
    """Give joints, links, colours and groups of a skeleton; ApiError for an unknown one.

    >>> record = skeleton_record("wholebody133")
    >>> record["joints"][0], record["joint_colors"][0], record["groups"]["foot"]
    ('nose', '#c8f5be', [17, 18, 19, 20, 21, 22])
    """
    if name not in Skeleton.names():
        raise ApiError(
            404,
            "unknown_skeleton",
            message=f"no skeleton {name[:60]!r}; ask for one of {', '.join(Skeleton.names())}",
        )
    skeleton = Skeleton.get(name)
    joint_colors, link_colors = skeleton_colors(skeleton)
    return {
        "name": name,
        "joints": list(skeleton.joints),
        "links": [list(link) for link in skeleton.links],
        "link_colors": _hex(link_colors),
        "joint_colors": _hex(joint_colors),
        "groups": {group: index.tolist() for group, index in skeleton.groups.items()},
    }


def _hex(colors_rgb: NDArray[np.uint8]) -> list[str]:
    return ["#" + bytes(color).hex() for color in colors_rgb]
