"""Hand shapes, judged by the keypoints of hands that have them."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("anny", reason="needs the extra synth")

from posedistill.synth.body import Person, body_model
from posedistill.synth.hands import HAND_SHAPES, draw_hand, hand_angles
from posedistill.synth.joint_limits import ANGLES, INDEX

FINGERS = ("index", "middle", "ring", "little")


def hand(shape: str, side: str = "left") -> NDArray[np.float64]:
    angles = np.zeros(len(ANGLES))
    for name, value in hand_angles(shape).items():
        angles[INDEX[f"{side}_{name}"]] = value
    first = 91 if side == "left" else 112
    points = body_model().make(Person(angles_deg=angles)).keypoints[first : first + 21]
    return points.astype(np.float64)


def between(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Give the angle between two directions in degrees."""
    cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def bend(points: NDArray[np.float64], finger: int) -> float:
    """Give the angle in degrees from the palm to the last bone of finger 0 to 3."""
    knuckle = 5 + 4 * finger
    return between(points[knuckle] - points[0], points[knuckle + 3] - points[knuckle + 2])


@pytest.mark.parametrize(
    ("shape", "extended"),
    [
        ("fist", []),
        ("thumbs_up", []),
        ("point", ["index"]),
        ("letter_l", ["index"]),
        ("letter_i", ["little"]),
        ("two", ["index", "middle"]),
        ("letter_r", ["index", "middle"]),
        ("rock", ["index", "little"]),
        ("three", ["index", "middle", "ring"]),
        ("ok", ["middle", "ring", "little"]),
        ("four", [*FINGERS]),
        ("five", [*FINGERS]),
    ],
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_shape_extends_its_fingers_and_bends_the_others(
    shape: str, extended: list[str], side: str
) -> None:
    points = hand(shape, side)
    for number, finger in enumerate(FINGERS):
        if finger in extended:
            assert bend(points, number) < 35
        else:
            assert bend(points, number) > 80


def test_a_thumbs_up_points_away_from_the_fist() -> None:
    def height(shape: str) -> float:
        points = hand(shape)
        across = points[5] - points[17]  # from the little to the index finger
        return float((points[4] - points[5]) @ across / np.linalg.norm(across))

    assert height("thumbs_up") > 0.02 > 0 > height("fist")


def test_ok_brings_thumb_and_index_finger_together() -> None:
    reach = [np.linalg.norm(hand(shape)[4] - hand(shape)[8]) for shape in ("ok", "five")]
    assert reach[0] < 0.03 < 0.09 < reach[1]


def test_spread_fingers_stand_further_apart_than_closed_ones() -> None:
    def fan(shape: str) -> float:
        points = hand(shape)
        return between(points[8] - points[5], points[20] - points[17])

    assert fan("spread") > fan("flat") + 12


@pytest.mark.parametrize("shape", HAND_SHAPES)
def test_every_shape_keeps_the_limits(shape: str) -> None:
    for name, value in hand_angles(shape).items():
        angle = ANGLES[INDEX[f"left_{name}"]]
        assert angle.low <= value <= angle.high, name


def test_every_shape_comes_up() -> None:
    rng = np.random.default_rng(0)
    assert {draw_hand(rng)[0] for _ in range(1500)} == set(HAND_SHAPES)


def test_an_unknown_shape_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(ValueError, match="'paw'.*fist"):
        hand_angles("paw")
