"""Move the vertices of a mesh with its bones: linear blend skinning, in numpy.

Few vertices follow more than two bones. Vertices are therefore sorted by how many bones they
follow, so that the k-th bones of all that have so many are one slice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Singles = NDArray[np.float32]
_SMALLEST = 1e-3  # weights below do not count
_CHUNK = 2048  # vertices at a time, so that what is between stays in the cache


class _Round(NamedTuple):
    """The k-th strongest bones and their weights, of the first vertices in sorted order."""

    bones: NDArray[np.int64]
    weights: _Singles


class Skin:
    """Know which bones move which vertices: weights (V,B), each row with a sum of 1."""

    def __init__(self, weights: _Singles) -> None:
        kept = np.where(weights > _SMALLEST, weights, 0)
        kept /= kept.sum(axis=1, keepdims=True)
        counts = (kept > 0).sum(axis=1)
        self._order = np.argsort(-counts, kind="stable")
        self._back = np.argsort(self._order)
        strongest = np.argsort(-kept, axis=1)[self._order]
        self._rounds = []
        for k in range(int(counts.max())):
            bones = strongest[: np.count_nonzero(counts > k), k]
            weight = kept[self._order[: len(bones)], bones]
            self._rounds.append(_Round(bones, weight[:, None]))

    def moved(
        self, vertices: _Singles, rotations: NDArray[np.float64], *, moves: NDArray[np.float64]
    ) -> _Singles:
        """Give the vertices (V,3) moved by the blend of rotations (B,3,3) and moves (B,3).

        >>> import numpy as np
        >>> skin = Skin(np.array([[0.5, 0.5]], np.float32))
        >>> still, moves = np.tile(np.eye(3), (2, 1, 1)), np.array([[0, 0, 0], [0, 2.0, 0]])
        >>> skin.moved(np.ones((1, 3), np.float32), still, moves=moves).tolist()
        [[1.0, 2.0, 1.0]]
        """
        motion = np.empty((len(moves), 12), np.float32)
        motion[:, :9] = np.swapaxes(rotations, -1, -2).reshape(-1, 9)  # column by column
        motion[:, 9:] = moves
        ordered = vertices.take(self._order, axis=0)
        for first in range(0, len(ordered), _CHUNK):
            chunk = ordered[first : first + _CHUNK]
            blend = self._blended(motion, first)
            x, y, z = chunk[:, :1].copy(), chunk[:, 1:2].copy(), chunk[:, 2:].copy()
            chunk[:] = blend[:, :3] * x + blend[:, 3:6] * y + blend[:, 6:9] * z + blend[:, 9:]
        back: _Singles = ordered.take(self._back, axis=0)
        return back

    def _blended(self, motion: _Singles, first: int) -> _Singles:
        """Give the blended motions (n,12) of a chunk of vertices in sorted order."""
        bones, weights = self._rounds[0]
        blend = motion.take(bones[first : first + _CHUNK], axis=0) * weights[first : first + _CHUNK]
        for bones, weights in self._rounds[1:]:
            part = motion.take(bones[first : first + _CHUNK], axis=0)
            blend[: len(part)] += part * weights[first : first + _CHUNK]
        return blend
