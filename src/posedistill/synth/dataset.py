"""Synthetic people as a data set: rendered when they are asked for, without files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.instance import Instance
from posedistill.datasets.on_demand import InstancesOnDemand
from posedistill.skeleton import Skeleton
from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.labels import SKELETON, label, worth_learning

if TYPE_CHECKING:
    from posedistill.synth.annotate import ScenePerson
    from posedistill.synth.scene import Scene

_MOST_TRIES = 32
_CHOICE = 1 << 20  # tells the generator of the choice from those of the scenes


class SynthPeople:
    """Render people with exact keypoints, one or several in each image of `size` x `size` pixels.

    Image i, from 1 to count, depends on (seed, i) and the backgrounds alone, whatever the count; it
    always shows somebody worth learning from. Each image is one sample: one of those people, drawn
    evenly. `instances` are rendered one by one as they are taken, and the last scene is remembered,
    so that the image of a person costs nothing more.
    backgrounds: a folder of photos without people, or None for made ones.
    Raises ValueError for a count below 1, a size below 64, a negative seed or a folder without
    photos, FileNotFoundError without the folder; at the first image, ModuleNotFoundError without
    the extra ``synth``; at any, ValueError for a photo that cannot be read.

    >>> people = SynthPeople(1000, seed=7)
    >>> len(people.instances), people.image_ids[-1]
    (1000, 1000)
    """

    def __init__(
        self, count: int, *, seed: int = 0, size: int = 256, backgrounds: Path | None = None
    ) -> None:
        if count < 1 or size < 64 or seed < 0:
            raise ValueError(
                "expected count >= 1, size >= 64 pixels and seed >= 0, "
                f"got {count}, {size} and {seed}"
            )
        if backgrounds is not None and not backgrounds.is_dir():
            raise FileNotFoundError(f"no such folder of backgrounds: {backgrounds}")
        self.skeleton = Skeleton.get(SKELETON)
        self.count, self.seed, self.size, self.backgrounds = count, seed, size, backgrounds
        self.image_ids = range(1, count + 1)
        self.instances: Sequence[Instance] = InstancesOnDemand(count, self._nth)
        self._places = Backgrounds(backgrounds)
        self._last: tuple[int, Scene] | None = None

    def image(self, image_id: int) -> NDArray[np.uint8]:
        """Render an image, (size, size, 3) RGB uint8.

        Raises ValueError for an id outside 1 to count.
        """
        return self.scene(image_id).image_rgb

    def instance(self, image_id: int) -> Instance:
        """Render an image and give the person in it to learn from.

        Raises ValueError for an id outside 1 to count.
        """
        people = [person for person in self.scene(image_id).people if worth_learning(person)]
        choice = np.random.default_rng([self.seed, image_id, _CHOICE]).integers(len(people))
        return _instance(people[choice], image_id)

    def scene(self, image_id: int) -> "Scene":
        """Render an image with all people in it.

        Raises ValueError for an id outside 1 to count.
        """
        if image_id not in self.image_ids:
            raise ValueError(f"image {image_id} of synthetic people; ids are 1 to {self.count}")
        if self._last is None or self._last[0] != image_id:
            self._last = image_id, self._render(image_id)
        return self._last[1]

    def _nth(self, index: int) -> Instance:
        return self.instance(self.image_ids[index])

    def _render(self, image_id: int) -> "Scene":
        from posedistill.synth.scene import draw_scene

        for attempt in range(_MOST_TRIES):
            words = [self.seed, image_id] + ([attempt] if attempt else [])
            rng, size_wh = np.random.default_rng(words), (self.size, self.size)
            scene = draw_scene(rng, size_wh=size_wh, backgrounds=self._places)
            if any(map(worth_learning, scene.people)):
                return scene
        raise AssertionError(f"nobody to be seen in {_MOST_TRIES} scenes: {self.seed}, {image_id}")


def _instance(person: "ScenePerson", image_id: int) -> Instance:
    return Instance(
        image_id=image_id,
        annotation_id=image_id,
        box_xyxy=person.box_xyxy.astype(np.float32),
        keypoints=person.keypoints.astype(np.float32),
        visible=(label(person) > 0).astype(np.float32),
        area=float(person.mask.sum()),
    )
