"""Batch normalisation over all processes, on any device.

torch's own SyncBatchNorm refuses CPU tensors; this one reduces with any backend. The reference
trains with synchronised statistics (SyncBN in its configurations), and only so does a run on
several processes equal a run on one.
"""

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SyncBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose training statistics are those of all processes' batches together."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        values = x.float()
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), count])
        total, squares, number = all_reduce(sums).split([self.num_features, self.num_features, 1])  # type: ignore[no-untyped-call]  # untyped in torch
        mean = total / number
        variance = (squares / number - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * number / (number - 1), self.momentum or 0.0)
            self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        out: Tensor = values * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
        return out.to(x.dtype)


def synchronise_batch_norm(module: nn.Module, device: torch.device) -> None:
    """Replace every BatchNorm2d below a module, in place, keeping its weights and names."""
    for name, child in module.named_children():
        if type(child) is not nn.BatchNorm2d:
            synchronise_batch_norm(child, device)
            continue
        kind = SyncBatchNorm2d if device.type == "cpu" else nn.SyncBatchNorm
        synced = kind(child.num_features, eps=child.eps, momentum=child.momentum)
        synced.load_state_dict(child.state_dict())
        setattr(module, name, synced.to(child.weight.device))
