"""Resampling: crops for a teacher of another input size, its outputs on the student's grid."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from posedistill.codecs import Codec, SimCC

_ASPECT_TOLERANCE = 0.05


def resize(images: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """Show whole crops at another size, rounded to uint8.

    images: (B, 3, h, w) uint8. Bilinear, with as wide a filter as shrinking needs; pixel x of n
    comes to lie at (x + 0.5) * m / n - 0.5 of m.

    >>> resize(torch.full((1, 3, 4, 6), 7, dtype=torch.uint8), (9, 6)).unique().tolist()
    [7]
    """
    size_hw = (size_wh[1], size_wh[0])
    resized = interpolate(images.float(), size_hw, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def check_aspect(size_wh: tuple[int, int], wanted_wh: tuple[int, int]) -> None:
    """Raise ValueError unless the sides of both sizes have nearly the same ratio.

    >>> check_aspect((192, 256), (288, 384))
    """
    ratio = size_wh[0] / size_wh[1] * wanted_wh[1] / wanted_wh[0]
    if abs(ratio - 1) > _ASPECT_TOLERANCE:
        (w, h), (wanted_w, wanted_h) = size_wh, wanted_wh
        raise ValueError(
            f"the teacher takes crops of {w}x{h}, the student of {wanted_w}x{wanted_h}: the sides "
            f"may differ in ratio by {_ASPECT_TOLERANCE:.0%} at most, or people would be stretched"
        )


def grid_xy(codec: Codec) -> tuple[tuple[int, float], tuple[int, float]]:
    """Give, along x and along y, how many bins or cells there are and the pixels between two.

    The first is centred on pixel 0.

    >>> grid_xy(SimCC((192, 256), (4.9, 5.66)))
    ((384, 0.5), (512, 0.5))
    """
    if isinstance(codec, SimCC):
        spacing = 1 / codec.split_ratio
        return (codec.bins_xy[0], spacing), (codec.bins_xy[1], spacing)
    spacings = [
        float(codec.stride) if codec.grid == "stride" else (side - 1) / (cells - 1)
        for side, cells in zip(codec.input_size_wh, codec.map_size_wh, strict=True)
    ]
    return (codec.map_size_wh[0], spacings[0]), (codec.map_size_wh[1], spacings[1])


def positions_xy(teacher: Codec, student: Codec) -> tuple[Tensor | None, Tensor | None]:
    """Give, along x and along y, where the student's bins lie among the teacher's.

    Of each axis (bins of the student,) float, within the teacher's bins; None where they are the
    same. The crops of one are those of the other as `resize` makes them.

    >>> teacher, student = SimCC((8, 8), (1.0, 1.0), 1.0), SimCC((8, 8), (1.0, 1.0), 2.0)
    >>> x, _ = positions_xy(teacher, student)
    >>> x[:5].tolist(), float(x[-1])
    ([0.0, 0.5, 1.0, 1.5, 2.0], 7.0)
    """
    found = []
    for axis, ((count, spacing), (own_count, own_spacing)) in enumerate(
        zip(grid_xy(student), grid_xy(teacher), strict=True)
    ):
        scale = teacher.input_size_wh[axis] / student.input_size_wh[axis]
        pixels = (torch.arange(count, dtype=torch.float64) * spacing + 0.5) * scale - 0.5
        positions = (pixels / own_spacing).clamp(0, own_count - 1)
        is_same = count == own_count and torch.equal(positions, torch.arange(count).double())
        found.append(None if is_same else positions.float())
    return found[0], found[1]


def sample_at(values: Tensor, positions: Tensor | None, dim: int) -> Tensor:  # house rule: as torch
    """Interpolate linearly along an axis.

    positions: (M,) within 0 .. n - 1 of the axis' n values, which become M; None changes nothing.

    >>> sample_at(torch.tensor([0.0, 10.0, 30.0]), torch.tensor([0.5, 2.0]), 0).tolist()
    [5.0, 30.0]
    """
    if positions is None:
        return values
    positions = positions.to(values.device)
    lower = positions.floor().long()
    upper = (lower + 1).clamp(max=values.shape[dim] - 1)
    shape = [1] * values.ndim
    shape[dim] = len(positions)
    fraction = (positions - lower).view(shape)
    values = values.float()
    return torch.lerp(values.index_select(dim, lower), values.index_select(dim, upper), fraction)
