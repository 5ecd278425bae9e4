"""Spec: all that surrounds a network, as JSON inside `.safetensors` and `.onnx` metadata."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from posedistill.codecs import CODECS, Codec
from posedistill.crop import PADDING
from posedistill.skeleton import Skeleton

METADATA_KEY = "posedistill_spec"
VERSION = 1
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Spec:
    """Say what a network takes and gives.

    Attributes:
        architecture: name that `posedistill.models.build` knows, such as ``rtmpose-t``; of an
            `.onnx` file recognised by its shapes, ``published-simcc``.
        skeleton: name of the skeleton of the K outputs.
        codec: how outputs become keypoints; it carries the input size.
        padding: factor by which a person's box is widened before the crop.
        mean, std: RGB normalisation to apply outside the graph; None where the graph takes uint8.
        licence: of the weights. data_card: what they were trained on, in a sentence or two.

    >>> from posedistill.codecs import SimCC
    >>> spec = Spec("rtmpose-t", "wholebody133", SimCC((192, 256), (4.9, 5.66)))
    >>> Spec.from_json(spec.to_json()) == spec
    True
    """

    architecture: str
    skeleton: str
    codec: Codec
    padding: float = PADDING
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    licence: str = ""
    data_card: str = ""

    def __post_init__(self) -> None:
        Skeleton.get(self.skeleton)
        if (self.mean is None) != (self.std is None):
            raise ValueError("a Spec has both mean and std, or neither")

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """Give the network input as (width, height), pixels."""
        return self.codec.input_size_wh

    def to_json(self) -> str:
        """Write the spec as JSON text."""
        record = asdict(self) | {"version": VERSION}
        record["codec"] = {"name": self.codec.name, **asdict(self.codec)}
        return json.dumps(record)

    @staticmethod
    def from_json(text: str) -> "Spec":
        """Read what `to_json` wrote.

        Raises ValueError when the text is no spec, or one of a newer version.
        """
        try:
            record: dict[str, Any] = json.loads(text)  # Any: JSON of an unknown shape
            version = record.pop("version")
            if version > VERSION:
                raise ValueError(
                    f"spec version {version} is newer than {VERSION}; update posedistill"
                )
            codec = dict(record.pop("codec"))
            codec_class = CODECS[codec.pop("name")]
            fields = {key: _tuples(value) for key, value in record.items()}
            codec_fields = {key: _tuples(value) for key, value in codec.items()}
            return Spec(codec=codec_class(**codec_fields), **fields)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a posedistill spec ({error!r}): {text[:80]}") from error


def _tuples(value: Any) -> Any:  # Any: JSON of an unknown shape
    return tuple(value) if isinstance(value, list) else value
