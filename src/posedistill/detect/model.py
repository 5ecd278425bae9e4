"""Model of the person detector: a narrow CSPNeXt body, a light neck, an anchor-free head.

Papers: RTMDet (Lyu et al., 2022) for body and head, FCOS (Tian et al., 2019) for the distances from
a cell to the four sides. Deliberate differences from RTMDet: the last stage is narrower, the neck
adds maps instead of joining them, all its convolutions are separable, and score and distances
share a tower at each stride.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from posedistill.models.cspnext import (
    ConvUnit,
    CSPLayer,
    CSPNeXt,
    DepthwiseConv2d,
    SeparableConv,
    SpatialPyramid,
)
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD

STRIDES = (8, 16, 32)
_WIDEN, _LAST, _WIDTH = 0.25, 192, 64  # of the body, its last stage, and neck and head
_FIRST_SCORE = -4.0  # logit: most cells hold nobody
_LARGEST = 4.0  # of the logarithm of a distance in strides


class Predictions(NamedTuple):
    """Hold what the network says of each cell.

    Attributes:
        boxes_xyxy: (N, M, 4) pixels of the input. logits: (N, M) of the scores.
    """

    boxes_xyxy: Tensor
    logits: Tensor


class PersonDetector(nn.Module):
    """Give a box and a score for each cell of three grids, of strides 8, 16 and 32 pixels.

    >>> boxes, logits = PersonDetector()(torch.zeros(2, 3, 64, 96, dtype=torch.uint8))
    >>> boxes.shape, logits.shape
    (torch.Size([2, 126, 4]), torch.Size([2, 126]))
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = CSPNeXt(deepen=0.33, widen=_WIDEN)
        third = self.backbone.channels[2]
        self.backbone.stage4 = nn.Sequential(
            ConvUnit(third, _LAST, 3, stride=2),
            SpatialPyramid(_LAST),
            CSPLayer(_LAST, 1, residual=False),
        )
        self.backbone.channels = (*self.backbone.channels[:3], _LAST)
        self.neck = Neck(self.backbone.channels[1:], _WIDTH)
        self.towers = nn.ModuleList(
            nn.Sequential(SeparableConv(_WIDTH), SeparableConv(_WIDTH)) for _ in STRIDES
        )
        self.scores = nn.ModuleList(_score_layer(_WIDTH) for _ in STRIDES)
        self.distances = nn.ModuleList(nn.Conv2d(_WIDTH, 4, 1) for _ in STRIDES)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def forward(self, images_rgb: Tensor) -> Predictions:
        """Map (N, 3, h, w), 0 to 255, sides multiples of 32, to the predictions of all cells."""
        maps = self.neck(self.backbone((images_rgb.float() - self.mean) / self.std)[1:])
        rows = [self._rows(index, feature) for index, feature in enumerate(maps)]
        boxes, logits = (torch.cat(parts, dim=1) for parts in zip(*rows, strict=True))
        return Predictions(boxes, logits)

    def _rows(self, index: int, feature: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.towers[index](feature)
        logits = self.scores[index](feature).flatten(1).float()
        log_distances = self.distances[index](feature).flatten(2).transpose(1, 2).float()
        distances = STRIDES[index] * log_distances.clamp(max=_LARGEST).exp()
        h, w = feature.shape[2:]
        centres = _grid(h, w, STRIDES[index], device=distances.device)
        low, high = centres - distances[..., :2], centres + distances[..., 2:]
        return torch.cat([low, high], dim=2), logits


class TwoLooks(nn.Module):
    """Look at images twice, the second time at half their size, for people who fill them.

    Trained on whole people, the network knows portraits only where they are small; the second look
    costs a quarter of the first. The cells of both are given, those of the first in front; who is
    found twice is one again once boxes are suppressed. Sides that are no multiples of 64 pixels
    are looked at once.

    >>> boxes, logits = TwoLooks(PersonDetector())(torch.zeros(2, 3, 64, 128, dtype=torch.uint8))
    >>> boxes.shape  # 168 cells, and 42 of half the size
    torch.Size([2, 210, 4])
    """

    def __init__(self, model: PersonDetector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images_rgb: Tensor) -> Predictions:
        """Map (N, 3, h, w), 0 to 255, sides multiples of 32, to the predictions of all cells."""
        first: Predictions = self.model(images_rgb)
        if any(side % (2 * STRIDES[-1]) for side in images_rgb.shape[2:]):
            return first
        second: Predictions = self.model(nn.functional.avg_pool2d(images_rgb.float(), 2))
        boxes = torch.cat([first.boxes_xyxy, 2 * second.boxes_xyxy], dim=1)
        return Predictions(boxes, torch.cat([first.logits, second.logits], dim=1))


def _score_layer(width: int) -> nn.Conv2d:
    layer = nn.Conv2d(width, 1, 1)
    assert layer.bias is not None, "it has one by default"
    nn.init.constant_(layer.bias, _FIRST_SCORE)
    return layer


class Neck(nn.Module):
    """Exchange what the maps know: from coarse to fine, then from fine to coarse.

    Paper: PANet (Liu et al., 2018); maps are added, and nearest neighbours enlarge them.
    """

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvUnit(inputs, width) for inputs in channels)
        steps = len(channels) - 1
        self.down = nn.ModuleList(SeparableConv(width) for _ in range(steps))
        self.up = nn.ModuleList(SeparableConv(width) for _ in range(steps))
        self.shrink = nn.ModuleList(
            DepthwiseConv2d(width, width, 3, stride=2, padding=1, groups=width)
            for _ in range(steps)
        )

    def forward(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        """Map (N, C_i, H_i, W_i), fine to coarse, to maps of one width."""
        maps = [unit(feature) for unit, feature in zip(self.lateral, features, strict=True)]
        for index in reversed(range(len(self.down))):
            larger = nn.functional.interpolate(maps[index + 1], scale_factor=2.0)
            maps[index] = self.down[index](maps[index] + larger)
        for index, unit in enumerate(self.up):
            maps[index + 1] = unit(maps[index + 1] + self.shrink[index](maps[index]))
        return maps


def cells(size_wh: tuple[int, int]) -> Tensor:
    """Give the centres (M, 2) of the cells of all grids, in the order of the predictions.

    They are x and y in pixels.

    >>> cells((64, 32))[[0, 1, -1]].tolist()
    [[4.0, 4.0], [12.0, 4.0], [48.0, 16.0]]
    """
    w, h = size_wh
    device = torch.device("cpu")
    return torch.cat([_grid(h // stride, w // stride, stride, device=device) for stride in STRIDES])


def _grid(h: int, w: int, stride: int, *, device: torch.device) -> Tensor:
    rows, columns = torch.arange(h, device=device), torch.arange(w, device=device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return (torch.stack([x, y], dim=2).reshape(-1, 2).float() + 0.5) * stride
