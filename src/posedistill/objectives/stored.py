"""Stored samples: what a frozen network makes of each sample, computed once and read from disk."""

import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import Dataset

from posedistill.models.pyramid_head import PyramidHead
from posedistill.objectives.objective import Batch, Key, Samples
from posedistill.teachers import Answer, Frozen, RowStore
from posedistill.teachers.rows import Rows

_KEYS_A_BATCH, _KEYS_A_LOOK = 32, 256
_SECONDS_A_LINE = 30
_logger = logging.getLogger(__name__)


class StoredSamples(Dataset[Batch]):
    """Give a frozen model's features, and its logits as targets, in place of images and labels.

    What a row lacks is computed by `fill`; a sample that is not there raises ValueError.
    Of the features, those are kept that the head looks at.
    """

    def __init__(  # house rule: what is stored, of what, where
        self, samples: Samples, teacher: Frozen, folder: Path
    ) -> None:
        w, h = teacher.spec.input_size_wh
        blank = teacher.answer(torch.zeros(1, 3, h, w, dtype=torch.uint8))
        self._samples = samples
        self._num_logits = len(blank.logits)
        self.store = RowStore(
            folder,
            num_rows=len(samples) * samples.num_draws,
            shapes=[tuple(part.shape[1:]) for part in _parts(teacher, blank)],
            identity=samples.identity() | {"teacher": teacher.fingerprint},
        )

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: Key) -> Batch:
        draw = self._samples.draw(key)
        known, parts = self.store.find(self._rows([key]))
        if not known.all():
            raise ValueError(
                f"{self.store.folder} lacks draw {draw} of person {key.person}; it has to be a "
                "folder that all processes see; start the run again to have it filled"
            )
        rows = [torch.from_numpy(part[0]) for part in parts]
        nothing = torch.empty(0)
        return Batch(
            nothing,
            tuple(rows[: self._num_logits]),
            nothing,
            torch.tensor(key.person),
            torch.tensor(draw),
            tuple(rows[self._num_logits :]),
        )

    def fill(self, teacher: Frozen, *, device: torch.device, num_workers: int) -> None:
        """Compute what is not there yet; of several processes, each computes its share."""
        rank, world_size = 0, 1
        if distributed.is_available() and distributed.is_initialized():
            rank, world_size = distributed.get_rank(), distributed.get_world_size()
        keys = self._missing(self._samples.keys_of_all()[rank::world_size])
        groups = [keys[i : i + _KEYS_A_BATCH] for i in range(0, len(keys), _KEYS_A_BATCH)]
        last = time.monotonic()
        for group, batch in zip(
            groups, self._samples.batches(groups, num_workers=num_workers), strict=True
        ):
            parts = _parts(teacher, teacher.answer(batch.images.to(device)))
            self.store.write(self._rows(group), [part.half().cpu().numpy() for part in parts])
            if time.monotonic() - last > _SECONDS_A_LINE:
                done = groups.index(group) + 1
                _logger.info("%s: %d of %d batches", self.store.folder, done, len(groups))
                last = time.monotonic()

    def _rows(self, keys: list[Key]) -> Rows:
        draws = self._samples.num_draws
        return np.array([key.person * draws + self._samples.draw(key) for key in keys], np.int64)

    def _missing(self, keys: list[Key]) -> list[Key]:
        found: list[Key] = []
        for start in range(0, len(keys), _KEYS_A_LOOK):
            group = keys[start : start + _KEYS_A_LOOK]
            known, _ = self.store.find(self._rows(group))
            found += [key for key, is_known in zip(group, known, strict=True) if not is_known]
        return found


def _parts(teacher: Frozen, answer: Answer) -> tuple[Tensor, ...]:
    """Give the logits, and of the features those that the head looks at."""
    assert answer.features is not None
    looks_at_all = isinstance(teacher.model.head, PyramidHead)
    return (*answer.logits, *(answer.features if looks_at_all else answer.features[-1:]))
