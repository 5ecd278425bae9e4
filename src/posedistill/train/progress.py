"""Progress: how a run goes, as a bar, in metrics.jsonl, and for TensorBoard if installed.

The bar is tqdm's: one line that says all there is to say, that logs of a cluster bear, and that
needs no further package; tables and colours would add nothing to it.
"""

import importlib.util
import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from posedistill.train.recipe import Recipe
from posedistill.train.run_folder import RunFolder

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

logger = logging.getLogger(__name__)
_LOG_EVERY = 20
_SECONDS_ON_SCREEN, _SECONDS_IN_A_FILE = 0.5, 30.0


class Progress:
    """Tell of a run's steps and scores; time of evaluations does not count as training speed."""

    def __init__(
        self, recipe: Recipe, folder: RunFolder, *, step: int, total_steps: int, best: float
    ) -> None:
        self._recipe, self._folder = recipe, folder
        self._step, self._total_steps, self._best = step, total_steps, best
        self._shown: dict[str, str] = {}
        self._seconds, self._steps = 0.0, 0
        self._last = time.perf_counter()
        self._board = _open_board(folder, step)
        self._bar = tqdm(
            total=total_steps,
            initial=step,
            desc=recipe.name,
            unit="step",
            mininterval=_SECONDS_ON_SCREEN if sys.stderr.isatty() else _SECONDS_IN_A_FILE,
            dynamic_ncols=True,
        )

    def step(self, losses: Mapping[str, Tensor], *, epoch: int, lr: float) -> None:
        """Count a step; every 20 and at the end, show and record what it gave."""
        now = time.perf_counter()
        self._seconds += now - self._last
        self._last = now
        self._step += 1
        self._steps += 1
        self._bar.update()
        if self._step % _LOG_EVERY and self._step != self._total_steps:
            return
        values = {name: float(value.detach()) for name, value in losses.items()}
        speed = self._steps * self._recipe.batch_size / self._seconds
        self._seconds, self._steps = 0.0, 0
        self._folder.log(step=self._step, epoch=epoch, lr=lr, losses=values, images_per_s=speed)
        self._show_step(values, speed, epoch=epoch)
        board = {f"losses/{name}": value for name, value in values.items()}
        self._to_board(board | {"lr": lr, "images_per_s": speed})

    def _show_step(self, values: Mapping[str, float], speed: float, *, epoch: int) -> None:
        shown = {"epoch": f"{epoch + 1}/{self._recipe.epochs}"}
        shown["loss"] = f"{sum(values.values()):.4g}"
        if len(values) > 1:
            shown |= {name: f"{value:.3g}" for name, value in values.items()}
        self._shown = shown | {"images/s": f"{speed:.1f}"}
        self._refresh()

    def scores(
        self,
        scores: Mapping[str, float],
        sheet: NDArray[np.uint8],
        *,
        epoch: int,
        best: float,
        judged: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Record what an evaluation gave. Its time counts no more.

        scores: of the model that is kept if it is the best. sheet: (H, W, 3) RGB. judged: of each
        model that was scored, by name, where there were several.
        """
        self._best = best
        others = {"judged": judged} if judged else {}
        self._folder.log(step=self._step, epoch=epoch, scores=dict(scores), **others)
        name = self._recipe.best_by
        for model, seen in (judged or {}).items():
            logger.info("epoch %d: %s of %s %.2f", epoch + 1, name, model, seen.get(name, math.nan))
        score = scores.get(name, math.nan)
        logger.info("epoch %d: %s %.2f, best %.2f", epoch + 1, name, score, best)
        self._to_board({f"scores/{key}": value for key, value in scores.items()})
        if self._board is not None:
            self._board.add_image("sheet", sheet, self._step, dataformats="HWC")
        self._refresh()
        self.skip_pause()

    def skip_pause(self) -> None:
        """Leave the time since the last step out of the speed."""
        self._last = time.perf_counter()

    def close(self) -> None:
        """End the bar and bring all records to their files."""
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def _refresh(self) -> None:
        best = (
            {} if math.isinf(self._best) else {f"best {self._recipe.best_by}": f"{self._best:.2f}"}
        )
        self._bar.set_postfix(self._shown | best, refresh=False)

    def _to_board(self, values: Mapping[str, float]) -> None:
        if self._board is None:
            return
        for name, value in values.items():
            self._board.add_scalar(name, value, self._step)


def _open_board(folder: RunFolder, step: int) -> "SummaryWriter | None":
    if importlib.util.find_spec("tensorboard") is None:
        logger.info("no TensorBoard record: `pip install tensorboard` for one")
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder.path / "tensorboard"), purge_step=step + 1)
