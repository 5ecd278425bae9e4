"""Draw people: build, pose, hands, face, all from one random generator."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.activities import Draft, draw_activity, root_rotation
from posedistill.synth.builds import draw_phenotype, draw_shapes, fatness
from posedistill.synth.collisions import capsules
from posedistill.synth.expressions import draw_expression
from posedistill.synth.hands import draw_hand
from posedistill.synth.joint_limits import ANGLES, INDEX, NOISE, mirrored_angles, within_limits
from posedistill.synth.person import Person

_MIRROR = np.diag([-1.0, 1.0, 1.0])
_TILT_NOISE_DEG = 2.0
_TRIES = 5
_ASIDE_DEG = 24.0  # more for the arms of the fattest
_ALLOWED_OVERLAP = 0.025  # metres
# where head and eyes turn, in degrees, when the activity leaves them free
_LOOK = {"neck_flex": 10, "neck_bend": 6, "neck_turn": 20, "eyes_turn": 12, "eyes_up": 7}


class _Pose(NamedTuple):
    draft: Draft
    angles_deg: NDArray[np.float64]
    hands: tuple[str, str]
    overlap: float


def draw_person(rng: np.random.Generator, activity: str | None = None) -> Person:
    """Draw a person who does anything, or the named activity; as often mirrored as not.

    Poses whose limbs run into the body are drawn again, a few times at most.
    Raises ValueError for an unknown activity, listing the known ones.

    >>> import numpy as np
    >>> person = draw_person(np.random.default_rng(3), "run")
    >>> person.activity
    'run'
    """
    phenotype = draw_phenotype(rng)
    pose = _free_pose(rng, activity, fat=fatness(phenotype))
    tilt = [value + rng.normal(0, _TILT_NOISE_DEG) for value in pose.draft.tilt_deg]
    angles, root, hands = pose.angles_deg, root_rotation((tilt[0], tilt[1], tilt[2])), pose.hands
    if rng.random() < 0.5:
        angles, root, hands = mirrored_angles(angles), _MIRROR @ root @ _MIRROR, hands[::-1]
    eyes = (float(angles[INDEX["eyes_turn"]]), float(angles[INDEX["eyes_up"]]))
    return Person(
        phenotype=phenotype,
        shapes=draw_shapes(rng),
        expression=draw_expression(rng, eyes_turn_deg=eyes[0], eyes_up_deg=eyes[1]),
        angles_deg=angles,
        root_rotation=root,
        lift=pose.draft.lift,
        activity=pose.draft.activity,
        hands=hands,
        overlap=pose.overlap,
    )


def _free_pose(rng: np.random.Generator, activity: str | None, *, fat: float) -> _Pose:
    """Draw poses of one activity until one is free of overlaps; give the best of the tries."""
    best = _pose(rng, activity, fat=fat)
    for _ in range(_TRIES - 1):
        if best.overlap <= _ALLOWED_OVERLAP:
            break
        best = min(best, _pose(rng, best.draft.activity, fat=fat), key=_overlap)
    return best


def _overlap(pose: _Pose) -> float:
    return pose.overlap


def _pose(rng: np.random.Generator, activity: str | None, *, fat: float) -> _Pose:
    draft = draw_activity(rng, activity)
    angles = np.zeros(len(ANGLES))
    for name, spread in _LOOK.items():
        angles[INDEX[name]] = rng.normal(0, spread)
    for name, value in draft.angles.items():
        angles[INDEX[name]] = value
    shapes = []
    for side, wanted in zip(("left", "right"), draft.hands, strict=True):
        shape, hand = draw_hand(rng, wanted)
        shapes.append(shape)
        for name, value in hand.items():
            angles[INDEX[f"{side}_{name}"]] = value
    noise = rng.normal(0, 1, len(angles)) * NOISE * draft.loose
    angles = angles + noise
    for side in ("left", "right"):  # arms hang beside a belly, not in it
        raised = INDEX[f"{side}_shoulder_raise"]
        angles[raised] = max(angles[raised], 6 + _ASIDE_DEG * fat)
    angles = within_limits(angles)
    overlap = capsules().overlap(angles, fat)
    return _Pose(draft, angles, (shapes[0], shapes[1]), overlap)
