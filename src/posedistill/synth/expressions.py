"""Draw facial expressions: sane mixtures of the 52 facial actions of the body model."""

from collections.abc import Mapping

import numpy as np

# each mood gives facial actions at full strength; names without Left or Right take both sides
_MOODS: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.8, "cheekSquint": 0.5, "eyeSquint": 0.3, "mouthDimple": 0.3},
    "grin": {"mouthSmile": 1.0, "cheekSquint": 0.7, "mouthUpperUp": 0.5, "mouthLowerDown": 0.4},
    "laugh": {"mouthSmile": 0.9, "jawOpen": 0.6, "cheekSquint": 0.8, "eyeSquint": 0.6},
    "talk": {"jawOpen": 0.3, "mouthFunnel": 0.4, "mouthLowerDown": 0.3},
    "shout": {"jawOpen": 0.9, "mouthStretch": 0.5, "browDown": 0.5, "noseSneer": 0.25},
    "surprise": {"jawOpen": 0.6, "browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9},
    "frown": {"browDown": 0.9, "mouthFrown": 0.7, "eyeSquint": 0.4, "mouthPress": 0.4},
    "sad": {"browInnerUp": 0.8, "mouthFrown": 0.8, "mouthShrugLower": 0.5},
    "pucker": {"mouthPucker": 0.9, "mouthFunnel": 0.2},
    "disgust": {"noseSneer": 0.5, "mouthUpperUp": 0.6, "browDown": 0.5, "eyeSquint": 0.5},
    "effort": {"eyeSquint": 0.5, "mouthStretch": 0.7, "browDown": 0.6, "mouthPress": 0.3},
    "puff": {"cheekPuff": 0.9, "mouthPress": 0.4},
    "yawn": {"jawOpen": 1.0, "eyeBlink": 0.8, "browInnerUp": 0.4},
    "tongue": {"tongueOut": 0.9, "jawOpen": 0.45},
    "bite": {"mouthRollLower": 0.8, "mouthRollUpper": 0.3},
}
_LIKELY = {"neutral": 4.0, "smile": 3.0, "talk": 2.0, "grin": 2.0, "tongue": 0.4, "yawn": 0.5}
_PAIRED = (
    "browDown",
    "browOuterUp",
    "cheekSquint",
    "eyeBlink",
    "eyeSquint",
    "eyeWide",
    "mouthDimple",
    "mouthFrown",
    "mouthLowerDown",
    "mouthPress",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
)
_ODD = ("mouthLeft", "mouthRight", "jawLeft", "jawRight", "jawForward", "mouthShrugUpper")


def draw_expression(
    rng: np.random.Generator, *, eyes_turn_deg: float, eyes_up_deg: float
) -> dict[str, float]:
    """Draw the strengths, 0 to 1, of facial actions; lids follow eyes turned left and up.

    >>> import numpy as np
    >>> face = draw_expression(np.random.default_rng(1), eyes_turn_deg=0, eyes_up_deg=-10)
    >>> all(0 <= strength <= 1 for strength in face.values())
    True
    """
    actions: dict[str, float] = {}
    for mood, share in _moods(rng):
        for name, strength in _MOODS[mood].items():
            scale = share * strength * rng.uniform(0.6, 1.1)
            _add(actions, name, scale * rng.uniform(0.8, 1.2, 2))
    if rng.random() < 0.3:
        _add(actions, str(rng.choice(_ODD)), rng.uniform(0.1, 0.6, 2))
    _add(actions, "eyeBlink", _blink(rng))
    for name, strength in _gaze(eyes_turn_deg, eyes_up_deg).items():
        actions[name] = actions.get(name, 0.0) + strength
    return {name: float(np.clip(value, 0, 1)) for name, value in actions.items() if value > 0.01}


def _moods(rng: np.random.Generator) -> list[tuple[str, float]]:
    names = list(_MOODS)
    weights = np.array([_LIKELY.get(name, 1.0) for name in names])
    weights /= weights.sum()
    first, second = (str(name) for name in rng.choice(names, 2, p=weights))
    share = rng.uniform(0, 0.5) if rng.random() < 0.4 else 0.0
    return [(first, float(rng.uniform(0.4, 1) * (1 - share))), (second, share)]


def _add(actions: dict[str, float], name: str, sides: np.ndarray) -> None:
    """Add a strength to an action, to those of the left and the right where it has both."""
    keys = (f"{name}Left", f"{name}Right") if name in _PAIRED else (name,)
    for key, value in zip(keys, sides, strict=False):
        actions[key] = actions.get(key, 0.0) + float(value)


def _blink(rng: np.random.Generator) -> np.ndarray:
    chance = rng.random()
    if chance < 0.08:
        return np.full(2, rng.uniform(0.8, 1.0))
    if chance < 0.11:
        return rng.permutation([1.0, 0.0])
    return np.full(2, max(0.0, rng.normal(0, 0.08)))


def _gaze(turn: float, up: float) -> dict[str, float]:
    """Give how the lids follow eyes that look to the left and up by so many degrees."""
    left, right = max(turn, 0) / 35, max(-turn, 0) / 35
    return {
        **{f"eyeLookUp{side}": max(up, 0) / 25 for side in ("Left", "Right")},
        **{f"eyeLookDown{side}": max(-up, 0) / 25 for side in ("Left", "Right")},
        "eyeLookOutLeft": left,
        "eyeLookInRight": left,
        "eyeLookInLeft": right,
        "eyeLookOutRight": right,
    }
