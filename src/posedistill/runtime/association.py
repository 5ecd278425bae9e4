"""Association: how alike the persons of two frames are, and which of them are the same.

Poses are compared by OKS as in COCO, but over the joints that are sure in both; boxes by their
intersection over union. The assignment is the best one of all: shortest augmenting paths (Jonker
and Volgenant, "A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment
Problems", 1987). Taking the most similar pair first would be shorter, but leaves persons over when
one of two fits both tracks: of [[0.9, 0.8], [0.8, 0]] it finds one pair, where two are right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEWEST_SHARED = 3  # joints that two poses must share for them to say more than the boxes do
_SAME_PERSON = 0.9  # OKS above which two poses of one frame are one person, as COCO suppresses them


@dataclass(frozen=True, eq=False)
class Persons:
    """Hold what persons are told apart by.

    Attributes:
        joints: (N, J, 2) pixels.
        is_sure: (N, J), which of the joints are to be believed.
        boxes_xyxy: (N, 4) pixels.
    """

    joints: Floats
    is_sure: NDArray[np.bool_]
    boxes_xyxy: Floats

    def __getitem__(self, index: NDArray[np.intp]) -> "Persons":
        return Persons(self.joints[index], self.is_sure[index], self.boxes_xyxy[index])


def box_sizes(boxes_xyxy: Floats) -> Floats:
    """Give the square root of the area of each of (N, 4) boxes, (N,) pixels.

    >>> box_sizes(np.array([[0.0, 0.0, 4.0, 9.0]])).tolist()
    [6.0]
    """
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return np.asarray(np.sqrt(sides.prod(axis=1)))


def box_iou(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Give the intersection over union of each of (N, 4) with each of (M, 4) boxes, (N, M).

    >>> box_iou(np.array([[0.0, 0.0, 4.0, 4.0]]), np.array([[2.0, 0.0, 4.0, 4.0]])).tolist()
    [[0.5]]
    """
    low = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    areas, other_areas = box_sizes(boxes_xyxy) ** 2, box_sizes(others_xyxy) ** 2
    union = areas[:, None] + other_areas[None] - shared
    return np.asarray(shared / np.maximum(union, np.finfo(np.float64).tiny))


def pose_oks(persons: Persons, others: Persons, *, sigmas: Floats) -> Floats:
    """Give the keypoint similarity of each person with the other at their place, (N,) in [0, 1].

    sigmas: (J,). Only joints that are sure in both count, relative to the mean of the areas of the
    two boxes. NaN where fewer than three are shared.

    >>> person = Persons(np.zeros((1, 3, 2)), np.ones((1, 3), bool), np.array([[0.0, 0, 9, 9]]))
    >>> pose_oks(person, person, sigmas=np.full(3, 0.1)).tolist()
    [1.0]
    """
    area = (box_sizes(persons.boxes_xyxy) ** 2 + box_sizes(others.boxes_xyxy) ** 2) / 2
    area = np.maximum(area, np.finfo(np.float64).tiny)
    squared = ((persons.joints - others.joints) ** 2).sum(axis=-1)
    similar = np.exp(-squared / (area[:, None] * 2 * (2 * sigmas) ** 2))
    is_shared = persons.is_sure & others.is_sure
    count = is_shared.sum(axis=1)
    mean = (similar * is_shared).sum(axis=1) / np.maximum(count, 1)
    return np.where(count >= FEWEST_SHARED, mean, np.nan)


def similarity(persons: Persons, others: Persons, *, sigmas: Floats) -> Floats:
    """Give how alike each person and each other are, (N, M) in [0, 1].

    The mean of `pose_oks` and `box_iou`, and `box_iou` alone where the poses say nothing.

    >>> unsure = Persons(np.zeros((1, 3, 2)), np.zeros((1, 3), bool), np.array([[0.0, 0, 9, 9]]))
    >>> similarity(unsure, unsure, sigmas=np.full(3, 0.1)).tolist()
    [[1.0]]
    """
    values = box_iou(persons.boxes_xyxy, others.boxes_xyxy)
    rows, columns = np.nonzero(values)  # of a crowd, most are apart
    by_pose = pose_oks(persons[rows], others[columns], sigmas=sigmas)
    by_box = values[rows, columns]
    values[rows, columns] = np.where(np.isnan(by_pose), by_box, (by_pose + by_box) / 2)
    return values


def doubles(persons: Persons, ids: NDArray[np.int64], *, sigmas: Floats) -> NDArray[np.bool_]:
    """Give which persons of one frame coincide with one of a lower id, (N,).

    >>> twice = Persons(np.zeros((2, 3, 2)), np.ones((2, 3), bool), np.array([[0.0, 0, 9, 9]] * 2))
    >>> doubles(twice, np.array([7, 4]), sigmas=np.full(3, 0.1)).tolist()
    [True, False]
    """
    overlap = box_iou(persons.boxes_xyxy, persons.boxes_xyxy)
    older, younger = np.nonzero((overlap > 0) & (ids[:, None] < ids))
    by_pose = pose_oks(persons[older], persons[younger], sigmas=sigmas)
    alike = np.where(np.isnan(by_pose), overlap[older, younger], by_pose)
    is_double = np.zeros(len(ids), np.bool_)
    is_double[younger[alike > _SAME_PERSON]] = True
    return is_double


def assign(values: Floats, *, least: float) -> NDArray[np.int64]:
    """Give the pairs of rows and columns that are together worth most, (P, 2) by row.

    values: (N, M), finite. Pairs below `least` are not made; the others count by how far they lie
    above it, so that a pair that hardly passes does not tear a good one apart.

    >>> assign(np.array([[0.9, 0.8], [0.8, 0.0]]), least=0.3).tolist()
    [[0, 1], [1, 0]]
    """
    allowed = values >= least
    rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
    if not len(rows):
        return np.zeros((0, 2), np.int64)
    costs = np.where(allowed, least - values, 0.0)[np.ix_(rows, columns)]
    if len(rows) <= len(columns):
        pairs = np.stack([rows, columns[_cheapest_columns(costs)]], axis=1)
    else:
        pairs = np.stack([rows[_cheapest_columns(costs.T)], columns], axis=1)
    pairs = pairs[allowed[pairs[:, 0], pairs[:, 1]]]
    return np.asarray(pairs[np.argsort(pairs[:, 0])], np.int64)


def _cheapest_columns(costs: Floats) -> NDArray[np.int64]:
    """Give each row a column of its own so that the sum is least; (n, m) with n <= m."""
    n, m = costs.shape
    row_price, column_price = np.zeros(n), np.zeros(m)
    row_of, column_of = np.full(m, -1), np.full(n, -1)  # -1: free
    for start in range(n):
        distance, came_from = np.full(m, np.inf), np.full(m, start)
        is_done = np.zeros(m, np.bool_)
        row, reached = start, 0.0
        while True:
            through = reached + costs[row] - row_price[row] - column_price
            closer = ~is_done & (through < distance)
            distance[closer], came_from[closer] = through[closer], row
            column = int(np.where(is_done, np.inf, distance).argmin())
            reached = float(distance[column])
            if row_of[column] < 0:
                break
            is_done[column] = True
            row = int(row_of[column])
        row_price[start] += reached
        row_price[row_of[is_done]] += reached - distance[is_done]
        column_price[is_done] -= reached - distance[is_done]
        while column >= 0:  # give the column to the row it was reached from, which frees another
            row = int(came_from[column])
            row_of[column], column_of[row], column = row, column, int(column_of[row])
    return np.asarray(column_of, np.int64)
