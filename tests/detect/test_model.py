"""The detector's network: where its cells are, and how large it is."""

import pytest
import torch

from posedistill.detect.model import STRIDES, PersonDetector, cells
from tests.detect.pictures import set_layer


@pytest.mark.parametrize("size_wh", [(64, 64), (96, 32)], ids=str)
def test_boxes_lie_about_the_cells_they_belong_to(size_wh: tuple[int, int]) -> None:
    model = PersonDetector().eval()
    for layer in model.distances:
        set_layer(layer)
    w, h = size_wh
    boxes, logits = model(torch.zeros(1, 3, h, w, dtype=torch.uint8))
    centres = cells(size_wh)
    counts = torch.tensor([(w // stride) * (h // stride) for stride in STRIDES])
    reach = torch.tensor(STRIDES).repeat_interleave(counts)[:, None]
    # A distance of exp(0) = 1 stride to each side.
    expected = torch.cat([centres - reach, centres + reach], dim=1)
    torch.testing.assert_close(boxes[0], expected)
    assert logits.shape == (1, len(centres))


def test_cells_are_listed_row_by_row() -> None:
    slow = [
        (x * stride + stride / 2, y * stride + stride / 2)
        for stride in STRIDES
        for y in range(32 // stride)
        for x in range(64 // stride)
    ]
    torch.testing.assert_close(cells((64, 32)), torch.tensor(slow))


def test_the_network_is_small() -> None:
    count = sum(parameter.numel() for parameter in PersonDetector().parameters())
    assert count < 950_000  # under 2 MB in 16 bits, with all that is around them


def test_an_untrained_network_is_sure_of_nobody() -> None:
    model = PersonDetector().eval()
    with torch.no_grad():
        _, logits = model(torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8))
    assert float(logits.sigmoid().max()) < 0.1
