"""Replace the hundreds of shapes of whole bodies by the few that matter to the people we draw.

Principal components, about zero, of a sample of drawn bodies before posing.
"""

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.builds import draw_phenotype
from posedistill.synth.phenotypes import phenotype_weights

_RANK = 48  # of the basis: see tests/synth/test_bake.py for what it leaves out
_SAMPLE = 400

_Singles = NDArray[np.float32]


def compacted(shapes: _Singles, mask: NDArray[np.bool_]) -> tuple[_Singles, _Singles]:
    """Give the mix (R,S) that makes a basis of shapes (S,N), and the projection (S,R) onto it.

    `mask` (S,C) says of which variations a shape is the product: see `phenotype_weights`.

    >>> import numpy as np
    >>> mask = np.zeros((60, 26), bool)
    >>> mask[np.arange(60), np.arange(60) % 24] = True
    >>> mix, projection = compacted(np.eye(60, dtype=np.float32), mask)
    >>> mix.shape, projection.shape
    ((48, 60), (60, 48))
    """
    rng = np.random.default_rng(0)
    drawn = np.stack([phenotype_weights(draw_phenotype(rng), mask) for _ in range(_SAMPLE)])
    gram = (shapes @ shapes.T).astype(np.float64)
    values, vectors = np.linalg.eigh(drawn @ gram @ drawn.T)
    scale = np.sqrt(np.maximum(values[-_RANK:], 1e-9 * values[-1]))
    mix = (vectors[:, -_RANK:] / scale).T @ drawn
    return mix.astype(np.float32), (gram @ mix.T).astype(np.float32)
