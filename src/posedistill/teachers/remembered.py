"""Remembered: a teacher that is asked once for each sample and read from disk afterwards."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posedistill.teachers.fitted import Fitted
from posedistill.teachers.rows import Rows, RowStore
from posedistill.teachers.teacher import Answer


class Remembered:
    """Keep a fitted teacher's answers on disk, in half precision.

    The first answer to a sample is rounded as well, so that every epoch hears the same. Of the
    features, the last map alone is kept, and only if `keeps_features`.

    folder, num_rows, identity: as `RowStore` takes them; the teacher is part of the identity.
    Raises as `RowStore` does.

    >>> from tempfile import TemporaryDirectory
    >>> from posedistill.models import build
    >>> from posedistill.teachers.frozen import Frozen
    >>> model = build("rtmpose-n", "coco17", (48, 64))
    >>> with TemporaryDirectory() as folder:
    ...     kept = Remembered(
    ...         Fitted(Frozen(model), model.spec),
    ...         Path(folder),
    ...         num_rows=9,
    ...         identity={"seed": 0},
    ...         keeps_features=False,
    ...     )
    ...     answer = kept.answer(torch.zeros(2, 3, 64, 48, dtype=torch.uint8), np.array([4, 7]))
    ...     kept.store.find(np.array([4, 5]))[0].tolist()
    [True, False]
    """

    def __init__(
        self,
        fitted: Fitted,
        folder: Path,
        *,
        num_rows: int,
        identity: Mapping[str, object],
        keeps_features: bool,
    ) -> None:
        self._fitted = fitted
        self._keeps_features = keeps_features
        w, h = fitted.spec.input_size_wh
        blank = fitted.answer(torch.zeros(1, 3, h, w, dtype=torch.uint8))
        self.store = RowStore(
            folder,
            num_rows=num_rows,
            shapes=[tuple(part.shape[1:]) for part in self._parts(blank)],
            identity=dict(identity) | {"teacher": fitted.fingerprint},
        )

    def answer(self, images: Tensor, rows: Rows) -> Answer:
        """Answer uint8 RGB crops (B, 3, h, w), each the sample of its row, (B,)."""
        known, parts = self.store.find(rows)
        unknown = np.flatnonzero(~known)
        if len(unknown):
            asked = images[torch.from_numpy(unknown).to(images.device)]
            fresh = [part.half().cpu().numpy() for part in self._parts(self._fitted.answer(asked))]
            self.store.write(rows[unknown], fresh)
            for part, values in zip(parts, fresh, strict=True):
                part[unknown] = values
        heard = tuple(torch.from_numpy(part).to(images.device).float() for part in parts)
        return Answer(heard[:-1], heard[-1:]) if self._keeps_features else Answer(heard, None)

    def _parts(self, answer: Answer) -> tuple[Tensor, ...]:
        if not self._keeps_features:
            return answer.logits
        assert answer.features is not None
        return (*answer.logits, answer.features[-1])
