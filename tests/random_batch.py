"""A training batch of noise, for tests that need any batch of the right shapes."""

import numpy as np
import torch

from posedistill.models import PoseModel
from posedistill.objectives.objective import Batch
from posedistill.skeleton import Skeleton


def random_batch(model: PoseModel, people: int, *, seed: int = 0) -> Batch:
    """Give noise images and random keypoints, some invisible, encoded as the model needs them."""
    rng = np.random.default_rng(seed)
    w, h = model.spec.input_size_wh
    joints = len(Skeleton.get(model.spec.skeleton))
    keypoints = rng.uniform(0, (w, h), (people, joints, 2))
    visible = (rng.random((people, joints)) < 0.8).astype(np.float32)
    *targets, weights = model.spec.codec.encode(keypoints, visible)
    return Batch(
        torch.from_numpy(rng.integers(0, 256, (people, 3, h, w), np.uint8)),
        tuple(torch.from_numpy(target) for target in targets),
        torch.from_numpy(weights),
        torch.arange(people),
        torch.zeros(people, dtype=torch.int64),
    )
