"""Faults that a run survives or explains: bad steps, unreadable images, dying loader workers."""

import io
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from posedistill.datasets.instance import Instance, PoseDataset, read_reduced
from posedistill.media import write_whole
from posedistill.objectives.objective import Batch, Key
from posedistill.skeleton import Skeleton
from posedistill.train.batches import TrainSamples

logger = logging.getLogger(__name__)
_NAMED = 8  # samples or images named in a message
_MOST_IN_A_ROW = 50


class UnreadableImage(ValueError):
    """Say that the image of a sample cannot be read."""


class _Images:
    """Give the people of a data set; an image that cannot be read raises UnreadableImage."""

    def __init__(self, data: PoseDataset) -> None:
        self._data = data

    @property
    def skeleton(self) -> Skeleton:
        return self._data.skeleton

    @property
    def instances(self) -> Sequence[Instance]:
        return self._data.instances

    def image(self, image_id: int) -> NDArray[np.uint8]:
        try:
            return self._data.image(image_id)
        except (ValueError, OSError) as error:
            raise UnreadableImage(f"{error}") from error

    def reduced_image(self, image_id: int, factor: int) -> tuple[NDArray[np.uint8], int]:
        try:
            return read_reduced(self._data, image_id, factor=factor)
        except (ValueError, OSError) as error:
            raise UnreadableImage(f"{error}") from error


class ReadableSamples(TrainSamples):
    """Make samples; in place of one whose image cannot be read comes the next that can.

    Which one that is depends on the data alone, so that a run stays repeatable on any number of
    processes. Each image left out is noted once in `log`, as a JSON line.
    Making a sample raises ValueError when 50 in a row cannot be read.
    """

    def __init__(self, samples: TrainSamples, *, log: Path) -> None:
        super().__init__(
            _Images(samples.data),
            samples.codec,
            seed=samples.seed,
            early=samples.early,
            late=samples.late,
            late_epoch=samples.late_epoch,
            views=samples.views,
        )
        self._log = log
        self._noted: set[int] = set()

    def __getitem__(self, key: Key) -> Batch:
        error: UnreadableImage | None = None
        for offset in range(min(_MOST_IN_A_ROW, len(self))):
            person = (key.person + offset) % len(self)
            try:
                return super().__getitem__(key._replace(person=person))
            except UnreadableImage as unreadable:
                error = unreadable
                self._note(self.data.instances[person].image_id, str(error))
        raise ValueError(
            f"{min(_MOST_IN_A_ROW, len(self))} samples in a row have no readable image ({error}); "
            "is the folder of the images still there?"
        ) from error

    def reusing(self, views: int) -> "ReadableSamples":
        """Give the same samples with so many draws used in turn, see `TrainSamples.reusing`."""
        return ReadableSamples(super().reusing(views), log=self._log)

    def _note(self, image_id: int, text: str) -> None:
        if image_id in self._noted:
            return
        self._noted.add(image_id)
        logger.warning("left out, another sample in its place: %s", text)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"image_id": image_id, "error": text}) + "\n")


def unreadable_images(log: Path) -> dict[int, str]:
    """Read what `ReadableSamples` noted: for each image id, what was wrong with it.

    >>> unreadable_images(Path("none.jsonl"))
    {}
    """
    if not log.exists():
        return {}
    errors: dict[int, str] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # cut off by a kill
            continue
        errors[row["image_id"]] = row["error"]
    return errors


def tell_unreadable(log: Path) -> None:
    """Log how many images were left out, and which.

    >>> tell_unreadable(Path("none.jsonl"))
    """
    errors = unreadable_images(log)
    if errors:
        named = "; ".join(list(errors.values())[:_NAMED])
        logger.warning("%d images could not be read (all are in %s): %s", len(errors), log, named)


def save_batch(batch: Batch, path: Path) -> None:
    """Write a batch as an .npz file: images, targets_0, ..., weights, indices, views.

    >>> save_batch(batch, Path("bad-step.npz"))  # doctest: +SKIP
    >>> np.load("bad-step.npz")["images"].shape  # doctest: +SKIP
    (16, 3, 256, 192)
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, value in batch._asdict().items():
        if isinstance(value, tuple):
            arrays |= {f"{name}_{index}": _array(part) for index, part in enumerate(value)}
        else:
            arrays[name] = _array(value)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # any names are allowed
    write_whole(path, content.getvalue())


def _array(value: Tensor) -> NDArray[np.generic]:
    array: NDArray[np.generic] = value.detach().cpu().numpy()
    return array


def describe_bad_step(losses: dict[str, Tensor], batch: Batch) -> str:
    """Say what is not finite and on which samples.

    >>> import torch
    >>> empty = torch.zeros(0)
    >>> batch = Batch(empty, (empty,), empty, torch.tensor([4, 7]), torch.tensor([0, 0]))
    >>> describe_bad_step({"keypoint": torch.tensor(float("nan"))}, batch)
    "the loss is not finite ({'keypoint': nan}) on samples [4, 7]"
    """
    shown = {name: float(value.detach()) for name, value in losses.items()}
    what = "gradient" if np.isfinite(list(shown.values())).all() else "loss"
    samples = batch.indices.tolist()
    more = f" and {len(samples) - _NAMED} more" if len(samples) > _NAMED else ""
    return f"the {what} is not finite ({shown}) on samples {samples[:_NAMED]}{more}"


def batches_of(loader: Iterable[Batch]) -> Iterator[Batch]:
    """Give the batches of a loader.

    Raises ChildProcessError when one of its worker processes dies.

    >>> list(batches_of([]))
    []
    """
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            f"a loader worker died ({error}); likely the machine ran out of memory or of shared "
            "memory (/dev/shm), or the worker was killed; --set num_workers=1 or 0 takes less. The "
            "same command goes on from the last saved state"
        ) from error
