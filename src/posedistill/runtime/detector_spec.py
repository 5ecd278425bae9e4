"""Spec of a person detector of our own: what its `.onnx` file takes, as JSON in its metadata.

Such a file takes uint8 RGB (N, 3, h, w), letterboxed, normalises inside the graph, and gives
`boxes` (N, M, 4), x1, y1, x2, y2 in pixels of its input, and `scores` (N, M) in 0 to 1. It holds
one class, people, and suppresses nothing: that is done outside. Its metadata has this spec under
`DETECTOR_KEY`.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

DETECTOR_KEY = "posedistill_detector"
VERSION = 1


@dataclass(frozen=True)
class DetectorSpec:
    """Say what a person detector takes and where it comes from.

    Attributes:
        input_size_wh: of the input, pixels. licence: of the weights. data_card: what they were
            trained on, in a sentence or two.

    Raises ValueError for a size that is no size.

    >>> spec = DetectorSpec((320, 256), "Apache-2.0", "drawn people")
    >>> DetectorSpec.from_json(spec.to_json()) == spec
    True
    """

    input_size_wh: tuple[int, int]
    licence: str = ""
    data_card: str = ""

    def __post_init__(self) -> None:
        size = self.input_size_wh
        if len(size) != 2 or any(type(side) is not int or side < 1 for side in size):
            raise ValueError(f"input_size_wh is {size}; expected two whole numbers of pixels")

    def to_json(self) -> str:
        """Write the spec as JSON text, for the metadata of the file."""
        return json.dumps(asdict(self) | {"version": VERSION})

    @staticmethod
    def from_json(text: str) -> "DetectorSpec":
        """Read what `to_json` wrote.

        Raises ValueError when the text is no spec, or one of a newer version.
        """
        try:
            record: dict[str, Any] = json.loads(text)  # Any: JSON of an unknown shape
            version = record.pop("version")
            if version > VERSION:
                raise ValueError(
                    f"detector spec version {version} is newer than {VERSION}; update posedistill"
                )
            return DetectorSpec(tuple(record.pop("input_size_wh")), **record)
        except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            raise ValueError(f"not a detector spec ({error!r}): {text[:80]}") from error
