"""The detector's network: where its cells are, and how large it is."""

import pytest
import torch

from posedistill.detect.model import STRIDES, PersonDetector, TwoLooks, cells
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


def test_a_second_look_sees_the_image_at_half_its_size() -> None:
    torch.manual_seed(0)
    model = PersonDetector().eval()
    small = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    large = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    with torch.no_grad():
        looked = TwoLooks(model)(large)
        first, second = model(large), model(small)
    count = first.logits.shape[1]
    torch.testing.assert_close(looked.boxes_xyxy[:, :count], first.boxes_xyxy)
    torch.testing.assert_close(looked.boxes_xyxy[:, count:], 2 * second.boxes_xyxy)
    torch.testing.assert_close(looked.logits, torch.cat([first.logits, second.logits], dim=1))


def test_sides_that_cannot_be_halved_are_looked_at_once() -> None:
    image = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    assert TwoLooks(PersonDetector().eval())(image).logits.shape == (1, len(cells((96, 64))))
