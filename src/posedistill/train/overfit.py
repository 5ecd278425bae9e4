"""Overfit: whether a recipe can learn one batch by heart, before anyone pays for a long run."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import trange

from posedistill.codecs import Codec
from posedistill.datasets.instance import PoseDataset
from posedistill.models import PoseModel
from posedistill.objectives.objective import Batch
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import KeyBatches, TrainSamples, collate
from posedistill.train.faults import describe_bad_step
from posedistill.train.launch import PRECISIONS, launch
from posedistill.train.learner import Learner
from posedistill.train.optim import learning_rate
from posedistill.train.preflight import prepare
from posedistill.train.recipe import Recipe

PLAIN = AugmentConfig(
    flip=0.0,
    half_body=0.0,
    shift_probability=0.0,
    scale=(1.0, 1.0),
    rotation_probability=0.0,
    hsv=(0, 0, 0),
    blur=0.0,
    median_blur=0.0,
    dropout=0.0,
)
_LARGEST_BATCH = 16  # enough to prove it, and soon over
_NEAR = 0.05  # of the input's longer side
_LEARNT_PCK = 90.0


@dataclass(frozen=True)
class Overfitting:
    """Hold what came of learning one batch.

    Attributes:
        first_loss, last_loss: sums of all losses. steps, num_people: of the trial.
        first_pck, last_pck: per cent of the labelled keypoints within 5 % of the input's longer
            side; None where nothing is labelled.
        has_labels: whether labels are what is learnt, and not a teacher's answers alone.
    """

    first_loss: float
    last_loss: float
    first_pck: float | None
    last_pck: float | None
    steps: int
    num_people: int
    has_labels: bool

    @property
    def is_learnt(self) -> bool:
        """Say whether 90 % of the keypoints are found; without labels, whether the loss halved."""
        if self.has_labels and self.last_pck is not None:
            return self.last_pck >= _LEARNT_PCK
        return self.last_loss < 0.5 * self.first_loss

    def __str__(self) -> str:
        lines = [
            f"one batch of {self.num_people} people, {self.steps} steps",
            f"loss {self.first_loss:.4g} -> {self.last_loss:.4g}",
        ]
        if self.first_pck is not None and self.last_pck is not None:
            lines.append(
                f"keypoints within {100 * _NEAR:.0f} % of the crop: "
                f"{self.first_pck:.1f} % -> {self.last_pck:.1f} %"
            )
        return "\n".join(lines)


def overfit(recipe: Recipe, *, steps: int = 200) -> Overfitting:
    """Train on one batch, without augmentation, and see whether it is learnt.

    The batch has up to 16 people; the optimiser is the recipe's, its warm-up a tenth of the steps.
    Raises RecipeError, a ValueError, with all problems of the recipe.

    >>> overfit(recipe).is_learnt  # doctest: +SKIP
    True
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected 1 or more")
    recipe = _calm(recipe, steps)
    fabric = launch(recipe.precision if recipe.precision in PRECISIONS else "auto")
    with TemporaryDirectory() as folder:
        ready = prepare(recipe, Path(folder))
    learner = Learner(ready.objective, recipe, fabric)
    codec = ready.objective.deployable().spec.codec
    batch = learner.to_device(_first_batch(recipe, codec, ready.data))
    first_pck = _pck(learner.objective.deployable(), batch)
    losses = []
    for step in trange(steps, desc=f"overfit {recipe.name}", unit="step"):
        lr = learning_rate(step, steps, config=recipe.optim)
        taken = learner.step(batch, 0.0, lr=lr)
        if not taken.is_finite:
            raise ValueError(f"step {step}: {describe_bad_step(taken.losses, batch)}")
        losses.append(sum(float(value.detach()) for value in taken.losses.values()))
    return Overfitting(
        first_loss=losses[0],
        last_loss=losses[-1],
        first_pck=first_pck,
        last_pck=_pck(learner.objective.deployable(), batch),
        steps=steps,
        num_people=recipe.batch_size,
        has_labels="keypoint" in taken.losses,
    )


def _calm(recipe: Recipe, steps: int) -> Recipe:
    """Give the recipe for one small batch and nothing random, its schedule cut to the steps."""
    return replace(
        recipe,
        augment=PLAIN,
        late_augment=PLAIN,
        late_epochs=0,
        epochs=steps,
        batch_size=min(recipe.batch_size, _LARGEST_BATCH),
        optim=replace(recipe.optim, warmup_steps=steps // 10),
        compile=False,  # takes longer than all the steps
    )


def _first_batch(  # house rule: what is encoded, how, of whom
    recipe: Recipe, codec: Codec, data: PoseDataset
) -> Batch:
    samples = TrainSamples(
        data, codec, seed=recipe.seed, early=PLAIN, late=PLAIN, late_epoch=recipe.epochs
    )
    (keys,) = KeyBatches(
        data, recipe.batch_size, seed=recipe.seed, steps=range(1), rank=0, world_size=1
    )
    return collate([samples[key] for key in keys])


def _pck(model: PoseModel, batch: Batch) -> float | None:
    """Give the per cent of labelled keypoints that the model finds, None where none is labelled."""
    codec = model.spec.codec
    outputs = model.session()(batch.images.cpu().numpy())
    found, _ = codec.decode(*outputs)
    wanted, _ = codec.decode(*(target.cpu().numpy() for target in batch.targets))
    labelled = batch.weights.cpu().numpy() > 0
    if not labelled.any():
        return None
    distance = np.linalg.norm(found - wanted, axis=-1)
    return float(100 * (distance[labelled] <= _NEAR * max(codec.input_size_wh)).mean())
