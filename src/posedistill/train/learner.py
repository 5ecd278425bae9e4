"""Learner: what trains, its optimiser and its average on a device, and one step of them."""

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW

from posedistill.models import PoseModel
from posedistill.objectives.objective import Batch, Objective
from posedistill.train.optim import Ema, parameter_groups
from posedistill.train.recipe import Recipe
from posedistill.train.run_folder import State
from posedistill.train.sync_norm import synchronise_batch_norm

_HAS_FUSED = ("cpu", "cuda")  # devices on which AdamW is one kernel


class Step(NamedTuple):
    """Hold what came of a step: named losses, and whether anything was learnt from them."""

    losses: dict[str, Tensor]
    is_finite: bool


class Learner:
    """Set an objective up on Fabric's device, with what its recipe says of learning."""

    def __init__(  # house rule: what learns, how, where
        self, objective: Objective, recipe: Recipe, fabric: Fabric
    ) -> None:
        self.recipe, self.fabric = recipe, fabric
        is_last = recipe.channels_last
        self._layout = torch.channels_last if is_last else torch.contiguous_format
        self.objective = objective.to(fabric.device)
        if is_last:
            self.objective.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stub
        if fabric.world_size > 1:
            synchronise_batch_norm(self.objective, fabric.device)
        if recipe.compile:
            _compile(self.objective)
        # Fabric's loss scaling unscales the gradients itself, which the fused optimiser also would
        self._scales_loss = fabric.strategy.precision.precision == "16-mixed"
        optimizer = AdamW(
            parameter_groups(self.objective, recipe.optim.weight_decay),
            lr=recipe.optim.lr,
            fused=fabric.device.type in _HAS_FUSED and not self._scales_loss,
        )
        self._wrapped, self._optimizer = fabric.setup(self.objective, optimizer)
        self._ema = Ema(self.objective, recipe.optim) if recipe.optim.ema else None

    def to_device(self, batch: Batch) -> Batch:
        """Give a batch on the learner's device, images in its memory layout."""
        moved = batch.to(self.fabric.device)
        if moved.images.ndim != 4:  # features stand in for them
            return moved
        return moved._replace(images=moved.images.contiguous(memory_format=self._layout))

    def step(self, batch: Batch, progress: float, *, lr: float) -> Step:
        """Learn from a batch, unless the loss or the gradient is not finite in some process.

        batch: on the learner's device; progress: in [0, 1).
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._wrapped.train()
        before = self._buffers() if self.recipe.max_bad_steps else {}
        losses: dict[str, Tensor] = self._wrapped(batch, progress)
        total = torch.stack(list(losses.values())).sum()
        self.fabric.backward(total)
        is_finite = self._is_finite(total, self._clip())
        if is_finite or self._scales_loss:  # the scaler leaves such steps out, and must see them
            self._optimizer.step()
        if not is_finite:
            self._put_back(before)
        elif self._ema is not None:
            self._ema.update(self.objective)
        self._optimizer.zero_grad()
        return Step(losses, is_finite)

    def _clip(self) -> Tensor:
        """Clip the gradient; give its norm before."""
        most = self.recipe.optim.clip_norm
        norm = self.fabric.clip_gradients(
            self.objective,
            self._optimizer,
            max_norm=math.inf if most is None else most,
            error_if_nonfinite=False,
        )
        assert norm is not None
        return norm

    def _is_finite(self, total: Tensor, norm: Tensor) -> bool:
        finite = torch.isfinite(total.detach())
        if not self._scales_loss:  # else too large a scale is no fault
            finite &= torch.isfinite(norm)
        if self.fabric.world_size > 1:
            seen = self.fabric.all_reduce(finite.float(), reduce_op="min")
            assert isinstance(seen, Tensor)
            finite = seen > 0
        return bool(finite)

    def _buffers(self) -> dict[str, Tensor]:
        return {name: buffer.clone() for name, buffer in self.objective.named_buffers()}

    @torch.no_grad()
    def _put_back(self, buffers: dict[str, Tensor]) -> None:
        """Undo what a forward pass did to the running statistics."""
        now = dict(self.objective.named_buffers())
        for name, value in buffers.items():
            now[name].copy_(value)

    def averaged(self) -> PoseModel:
        """Give a copy of the model with averaged weights, in eval mode.

        Where the recipe averages nothing, the weights and statistics are those of now.
        """
        with self._averaged_weights():
            return copy.deepcopy(self.objective.deployable()).eval()

    def judged(self) -> tuple[dict[str, PoseModel], dict[str, nn.Module]]:
        """Give copies of the objective's candidates and companions, as `averaged` does."""
        with self._averaged_weights():
            candidates = copy.deepcopy(self.objective.candidates())
            companions = copy.deepcopy(self.objective.companions())
        for model in (*candidates.values(), *companions.values()):
            model.eval()
        return candidates, companions

    def _averaged_weights(self) -> AbstractContextManager[None]:
        return nullcontext() if self._ema is None else self._ema.swapped_in(self.objective)

    def state(self) -> State:
        """Give what `load` needs."""
        return {
            "objective": self.objective.state_dict(),
            "held": self.objective.held_state(),
            "optimizer": self._optimizer.state_dict(),
            "ema": {} if self._ema is None else self._ema.state(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def load(self, state: State) -> None:
        """Take up a saved state.

        Raises ValueError when it is of another network.
        """
        try:
            self.objective.load_state_dict(state["objective"])
        except RuntimeError as error:
            raise ValueError(
                f"the saved state does not fit the recipe: {error}; choose another run folder"
            ) from error
        self.objective.load_held_state(state["held"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._ema is not None:
            self._ema.load(state["ema"]["num_updates"], state["ema"]["average"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])


def _compile(objective: Objective) -> None:
    """Compile the networks of an objective in place, part by part, as they are called."""
    for child in objective.children():
        for part in (child.backbone, child.head) if isinstance(child, PoseModel) else (child,):
            part.compile()
