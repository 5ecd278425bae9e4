"""Facial expressions."""

import numpy as np

from posedistill.synth.expressions import draw_expression


def _faces(count: int, turn: float = 0.0, up: float = 0.0) -> list[dict[str, float]]:
    rng = np.random.default_rng(0)
    return [draw_expression(rng, eyes_turn_deg=turn, eyes_up_deg=up) for _ in range(count)]


def test_strengths_lie_between_nothing_and_all() -> None:
    values = [value for face in _faces(300) for value in face.values()]
    assert min(values) > 0
    assert max(values) <= 1


def test_mouths_open_eyes_close_and_brows_move_in_some_faces() -> None:
    faces = _faces(400)
    for action, least in (("jawOpen", 0.4), ("eyeBlinkLeft", 0.8), ("browInnerUp", 0.4)):
        share = np.mean([face.get(action, 0) > least for face in faces])
        assert 0.02 < share < 0.4, action


def test_some_wink_with_either_eye() -> None:
    faces = _faces(1500)
    apart = [face.get("eyeBlinkLeft", 0) - face.get("eyeBlinkRight", 0) for face in faces]
    assert max(apart) > 0.8
    assert min(apart) < -0.8


def test_lids_follow_eyes_that_look_to_the_left_and_down() -> None:
    for face in _faces(5, turn=20, up=-15):
        assert face["eyeLookOutLeft"] > 0.5
        assert face["eyeLookInRight"] > 0.5
        assert face["eyeLookDownLeft"] > 0.5
        assert "eyeLookUpLeft" not in face
        assert "eyeLookInLeft" not in face


def test_left_and_right_are_alike_on_average() -> None:
    faces = _faces(800)
    for action in ("mouthSmile", "browDown", "eyeSquint", "eyeBlink"):
        apart = [face.get(f"{action}Left", 0) - face.get(f"{action}Right", 0) for face in faces]
        assert abs(np.mean(apart)) < 0.02, action
