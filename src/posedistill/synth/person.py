"""Say all that was drawn of a person: body, pose, face and hands."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.joint_limits import ANGLES


@dataclass(frozen=True, eq=False)
class Person:
    """Hold what was drawn of a person; a body model makes a body of it.

    Attributes:
        phenotype: shares in 0-1 by name: gender (1 is female), age, muscle, weight, height,
            proportions, cupsize, firmness and the origins african, asian, caucasian.
        shapes: local changes of the shape, -1 to 1, by name.
        expression: facial actions, 0 to 1, by name.
        angles_deg: (A,) the pose, in the order of `joint_limits.ANGLES`.
        root_rotation: (3,3) how the pelvis stands in the world.
        lift: metres from the ground to the lowest point of the body.
        activity: name of what the person does.
        hands: names of the shapes of the left and the right hand.
        overlap: depth in metres to which parts of the body still run into each other.
    """

    phenotype: Mapping[str, float] = field(default_factory=dict)
    shapes: Mapping[str, float] = field(default_factory=dict)
    expression: Mapping[str, float] = field(default_factory=dict)
    angles_deg: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(ANGLES)))
    root_rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    lift: float = 0.0
    activity: str = "attention"
    hands: tuple[str, str] = ("flat", "flat")
    overlap: float = 0.0
