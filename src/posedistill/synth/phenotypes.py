"""Turn what a person is (age, gender, build ...) into the coefficients of the body's shapes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# the columns of the body model: anchors between which a share is interpolated
_ANCHORS = {
    "gender": (0.0, 1.0),
    "age": (-1 / 3, 0.0, 1 / 3, 2 / 3, 1.0),
    "muscle": (0.0, 0.5, 1.0),
    "weight": (0.0, 0.5, 1.0),
    "height": (0.0, 1.0),
    "proportions": (0.0, 1.0),
    "cupsize": (0.0, 0.5, 1.0),
    "firmness": (0.0, 0.5, 1.0),
}
_ORIGINS = ("african", "asian", "caucasian")


class Phenotypes:
    """Know the shapes of the body model; `arrays` are those of `bake.baked_body`."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._mask: NDArray[np.bool_] = arrays["phenotype_mask"]
        self._projection: NDArray[np.float32] = arrays["phenotype_projection"]
        self._rows = {str(label): row for row, label in enumerate(arrays["shape_labels"])}

    def coefficients(self, phenotype: Mapping[str, float]) -> NDArray[np.float32]:
        """Give the coefficients (R,) of the basis of bodies; what is not named is 0.5.

        Raises ValueError for a name that is not known.

        >>> from posedistill.synth.bake import baked_body
        >>> Phenotypes(baked_body()).coefficients({"age": 0.7}).shape
        (48,)
        """
        weights = phenotype_weights(phenotype, self._mask).astype(np.float32)
        coefficients: NDArray[np.float32] = weights @ self._projection
        return coefficients

    def local_coefficients(
        self, shapes: Mapping[str, float], expression: Mapping[str, float]
    ) -> dict[int, float]:
        """Give the coefficients of the sparse shapes that are not zero, by their row.

        A local change below zero takes the opposite shape, which follows in the next row.
        Raises ValueError for a name that is not known.

        >>> from posedistill.synth.bake import baked_body
        >>> Phenotypes(baked_body()).local_coefficients({}, {"jawOpen": 0.5})
        {24: 0.5}
        """
        if unknown := (set(shapes) | set(expression)) - set(self._rows):
            raise ValueError(f"unknown shapes {sorted(unknown)}; known are {', '.join(self._rows)}")
        rows = {self._rows[name]: value for name, value in expression.items()}
        for name, value in shapes.items():
            rows[self._rows[name] + (value < 0)] = abs(value)
        return {row: float(value) for row, value in rows.items() if value}


def phenotype_weights(
    phenotype: Mapping[str, float], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give the weights (S,) of shapes that are each the product of some of 26 variations.

    `mask` (S,26) says of which: 3 origins, then the anchors of gender, age, muscle and so on.
    Raises ValueError for a name that is not known.

    >>> import numpy as np
    >>> phenotype_weights({"gender": 0.25}, np.eye(26, dtype=bool)[3:5]).tolist()
    [0.75, 0.25]
    """
    if unknown := set(phenotype) - {*_ANCHORS, *_ORIGINS}:
        known = ", ".join([*_ANCHORS, *_ORIGINS])
        raise ValueError(f"unknown phenotypes {sorted(unknown)}; known are {known}")
    origins = np.array([phenotype.get(name, 0.5) for name in _ORIGINS]) + 1e-9
    shares = [origins / origins.sum()]
    for name, anchors in _ANCHORS.items():
        place = np.interp(phenotype.get(name, 0.5), anchors, range(len(anchors)))
        shares.append(np.clip(1 - np.abs(place - np.arange(len(anchors))), 0, None))
    weights: NDArray[np.float64] = np.where(mask, np.concatenate(shares), 1.0).prod(axis=1)
    return weights
