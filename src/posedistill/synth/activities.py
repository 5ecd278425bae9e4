"""Draw what a person does: the angles of legs, trunk and arms, and how the pelvis stands.

The activities are ranges of angles in `activities.json`, the arms' own in `arms.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.joint_limits import INDEX

_Range = Sequence[float]
_BESIDE_UP = {"clavicle_up": 0.18, "from_deg": 60.0}  # the shoulder rises with a raised arm


@dataclass(frozen=True, eq=False)
class Draft:
    """Hold a pose in the making; angles in degrees, all by full name.

    Attributes:
        activity: its name.
        angles: degrees by name.
        tilt_deg: pitch ahead, roll to the right and yaw to the left of the pelvis.
        lift: metres above the ground.
        hands: the wanted shapes of left and right hand; None for any.
        loose: factor of the noise.
    """

    activity: str
    angles: Mapping[str, float]
    tilt_deg: tuple[float, float, float]
    lift: float
    hands: tuple[str | None, str | None]
    loose: float


@cache
def activities() -> Mapping[str, Mapping[str, Any]]:  # Any: each key of a row has its own type
    """Give the table of activities by name.

    >>> "handstand" in activities()
    True
    """
    return _table("activities.json")


@cache
def arms() -> Mapping[str, Mapping[str, Any]]:
    """Give the table of what an arm can do, by name.

    >>> "phone_ear" in arms()
    True
    """
    return _table("arms.json")


def _table(name: str) -> Mapping[str, Mapping[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads(
        Path(__file__).with_name(name).read_text(encoding="utf-8")
    )["table"]
    return table


def draw_activity(rng: np.random.Generator, name: str | None = None) -> Draft:
    """Draw an activity, or take the named one, and a pose of it, the left as the table has it.

    Raises ValueError for an unknown name, listing the known ones.

    >>> import numpy as np
    >>> draw_activity(np.random.default_rng(0), "sit").activity
    'sit'
    """
    if name is not None and name not in activities():
        raise ValueError(f"unknown activity {name!r}; known are {', '.join(activities())}")
    name = name or _likely(rng, activities())
    row = activities()[name]
    angles = _drawn_angles(rng, row["angles"])
    hands = _add_arms(rng, angles, row.get("arms", [["any", "any"]]))
    pitch = _stand(angles, row.get("feet", "none"), float(rng.uniform(*row["pitch"])))
    tilt = (pitch, float(rng.uniform(*row["roll"])), float(rng.uniform(*row.get("yaw", (0, 0)))))
    lift = float(rng.uniform(*row.get("lift", (0, 0))))
    return Draft(name, angles, tilt, lift, hands, row.get("loose", 1.0))


def _likely(rng: np.random.Generator, table: Mapping[str, Mapping[str, Any]]) -> str:
    weights = np.array([row["likely"] for row in table.values()], np.float64)
    return str(rng.choice(list(table), p=weights / weights.sum()))


def _drawn_angles(rng: np.random.Generator, ranges: Mapping[str, _Range]) -> dict[str, float]:
    """Draw angles; a name without a side gives both sides nearly the same."""
    angles = {}
    for name, (low, high) in ranges.items():
        value, apart = rng.uniform(low, high), rng.normal(0, 0.1 * (high - low))
        if name in INDEX:
            angles[name] = float(value)
        else:
            angles[f"left_{name}"], angles[f"right_{name}"] = value - apart, value + apart
    return angles


def _add_arms(
    rng: np.random.Generator, angles: dict[str, float], pairs: Sequence[Sequence[str]]
) -> tuple[str | None, str | None]:
    """Draw what both arms do, add their angles, and give the shapes wanted of the hands."""
    left, right = pairs[int(rng.integers(len(pairs)))]
    left = _likely(rng, arms()) if left == "any" else left
    if right == "any":
        right = arms()[left].get("pair") or _likely(rng, arms())
        right = right if arms()[right].get("pair", left) == left else "hang"
    hands = []
    for side, name in (("left", left), ("right", right)):
        row = arms()[name]
        for key, (low, high) in row["angles"].items():
            angles[f"{side}_{key}"] = float(rng.uniform(low, high))
        raised = angles.get(f"{side}_shoulder_raise", 0.0) - _BESIDE_UP["from_deg"]
        angles[f"{side}_clavicle_up"] = angles.get(f"{side}_clavicle_up", 0.0) + max(
            0.0, _BESIDE_UP["clavicle_up"] * raised
        )
        wanted = row["hands"] if rng.random() < 0.8 else []
        hands.append(str(rng.choice(wanted)) if wanted else None)
    return hands[0], hands[1]


def _stand(angles: dict[str, float], feet: str, pitch: float) -> float:
    """Put feet flat and give the pitch of the pelvis: it leans as the standing leg says."""
    if feet in ("stand", "left"):
        pitch = _leg(angles, "left") + angles.get("left_ankle_flex", 0.0)
    flat = {"stand": ("right",), "left": ("right",), "hang": ("left", "right")}
    for side in flat.get(feet, ("left",) if feet == "left_hang" else ()):
        angles[f"{side}_ankle_flex"] = pitch - _leg(angles, side)
    return pitch


def _leg(angles: Mapping[str, float], side: str) -> float:
    """Give how far a leg's thigh and calf turn its foot back, in degrees."""
    return angles.get(f"{side}_hip_flex", 0.0) - angles.get(f"{side}_knee_flex", 0.0)


def root_rotation(tilt_deg: tuple[float, float, float]) -> NDArray[np.float64]:
    """Give the rotation (3,3) of a pelvis pitched ahead, rolled to the right, yawed to the left.

    >>> root_rotation((90.0, 0.0, 0.0)).round(3)[:, 1].tolist()  # the spine points ahead
    [0.0, 0.0, 1.0]
    """
    (sin_x, sin_z, sin_y), (cos_x, cos_z, cos_y) = (
        f(np.radians(tilt_deg)) for f in (np.sin, np.cos)
    )
    about_x = np.array([[1, 0, 0], [0, cos_x, -sin_x], [0, sin_x, cos_x]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    about_z = np.array([[cos_z, -sin_z, 0], [sin_z, cos_z, 0], [0, 0, 1]])
    rotation: NDArray[np.float64] = about_y @ about_z @ about_x
    return rotation
