"""Zoo: the table of published models, their files, scores and terms."""

import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from posedistill.codecs import SimCC
from posedistill.json_file import read_json
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

FORMATS = ("pth", "onnx")
_TABLE = Path(__file__).parent / "assets" / "models.json"
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8})(?:_\d{8})?\.pth$")
_MUST_CHECK = "Licences of data may bind what is made from them: check these before commercial use."


@dataclass(frozen=True)
class WeightFile:
    """Say where one file of a model is and how to know that it is the right one.

    Attributes:
        file_name: name under which it is kept.
        format: ``pth`` or ``onnx``.
        urls: places of the same contents, in the order to try.
        member: name of this file within the .zip archive that the urls give; None where they
            give the file itself.
        sha256: of the whole file, 64 hex digits; None where unknown.
        size: bytes; None where unknown.
        checked: the day (YYYY-MM-DD) somebody last fetched it so; None where nobody has.
    """

    file_name: str
    format: str
    urls: tuple[str, ...]
    member: str | None
    sha256: str | None
    size: int | None
    checked: str | None

    @property
    def known_hash(self) -> str | None:
        """Give the SHA-256, or the 8 first digits of it where only the file name tells it.

        OpenMMLab puts them at the end of the names of its checkpoints.

        >>> find("rtmpose-m").files[0].known_hash
        'cd5e845c'
        """
        told = _HASH_IN_NAME.search(self.file_name)
        return self.sha256 or (told.group(1) if told else None)

    @property
    def names(self) -> tuple[str, ...]:
        """Give the names it goes by: where it is kept, at its urls, and without extension."""
        published = [Path(urlsplit(url).path).name for url in self.urls]
        names = [self.file_name, *published]
        stems = [name.rpartition(".")[0] for name in names]
        return tuple(dict.fromkeys(names + stems))


@dataclass(frozen=True)
class Scores:
    """Hold published average precisions, per cent; None where none is published.

    whole, body, foot, face, hand: of keypoints. box: of the boxes of a detector.
    """

    whole: float | None
    body: float | None
    foot: float | None
    face: float | None
    hand: float | None
    box: float | None


@dataclass(frozen=True)
class Entry:
    """Describe one published model.

    Attributes:
        name: ours. aliases: other names of the same, such as that of its configuration.
        kind: ``pose`` or ``detector``.
        architecture: for poses the name that `posedistill.models.build` knows.
        skeleton: of the outputs; None for detectors.
        input_size_wh: pixels.
        sigma_xy: of the SimCC codec, bins; None for detectors.
        ap: average precisions; ar_whole: average recall of the whole body; both per cent.
        source: what the scores were measured on and where they are published.
        gflops: as published. parameters: number of ours; None for detectors.
        licence: of the code and weights. data: what it was trained on, each with its terms.
        files: forms of the model, the first is the one to take.
    """

    name: str
    kind: str
    architecture: str
    skeleton: str | None
    input_size_wh: tuple[int, int]
    sigma_xy: tuple[float, float] | None
    ap: Scores
    ar_whole: float | None
    source: str
    gflops: float | None
    parameters: int | None
    licence: str
    data: tuple[str, ...]
    aliases: tuple[str, ...]
    files: tuple[WeightFile, ...]

    @property
    def data_card(self) -> str:
        """Give in sentences what the model was trained on and on what terms.

        >>> find("dwpose-l").data_card.startswith("Trained on COCO-WholeBody")
        True
        """
        return f"Trained on {'; '.join(self.data)}. {_MUST_CHECK}"

    @property
    def all_names(self) -> tuple[str, ...]:
        """Give every name that `find` takes for this model, without doubles."""
        of_files = [name for file in self.files for name in file.names]
        return tuple(dict.fromkeys([self.name, *self.aliases, *of_files]))

    def spec(self, *, normalised: bool) -> Spec:
        """Give what surrounds the network, for files that do not carry it.

        normalised: whether the graph takes normalised float RGB, as published `.onnx` files do,
        rather than uint8. Raises ValueError for a detector, which has no `Spec`.

        >>> find("dwpose-l-384").spec(normalised=True).input_size_wh
        (288, 384)
        """
        if self.skeleton is None or self.sigma_xy is None:
            raise ValueError(f"{self.name} is a {self.kind}; only pose models have a Spec")
        return Spec(
            self.architecture,
            self.skeleton,
            SimCC(self.input_size_wh, self.sigma_xy),
            mean=IMAGENET_MEAN if normalised else None,
            std=IMAGENET_STD if normalised else None,
            licence=self.licence,
            data_card=self.data_card,
        )


def names() -> tuple[str, ...]:
    """Give our names of the published models.

    >>> names()[:2]
    ('dwpose-t', 'dwpose-s')
    """
    return tuple(entry.name for entry in entries())


def find(name: str) -> Entry:
    """Give the model of a name, an alias or the name of one of its files, in any case.

    Raises ValueError for an unknown one, with the nearest that are known.

    >>> find("DW-LL_ucoco_384.onnx").name
    'dwpose-l-384'
    >>> find("dwpose-xl")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown published model 'dwpose-xl'; nearest are dwpose-...
    """
    known = _entries_by_name()
    entry = known.get(name.lower())
    if entry is None:
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        hint = f"nearest are {', '.join(near)}" if near else f"known are {', '.join(names())}"
        raise ValueError(f"unknown published model {name!r}; {hint}")
    return entry


def choose_file(name: str, *, file_format: str | None = None) -> WeightFile:
    """Give the file to take of a model: the one named, else the first, of a format if one is given.

    name: as for `find`. file_format: ``pth`` or ``onnx``. Raises ValueError for an unknown model
    or where it has no such file.

    >>> choose_file("dwpose-l-384", file_format="onnx").file_name
    'dw-ll_ucoco_384.onnx'
    """
    entry = find(name)
    named = [file for file in entry.files if name.lower() in map(str.lower, file.names)]
    fitting = [
        file for file in named or entry.files if file_format is None or file.format == file_format
    ]
    if not fitting:
        have = ", ".join(dict.fromkeys(file.format for file in named or entry.files))
        raise ValueError(f"{name} is not published as {file_format!r}, only as {have}")
    return fitting[0]


@cache
def entries() -> tuple[Entry, ...]:
    """Give all published models.

    >>> all(entry.kind in ("pose", "detector") for entry in entries())
    True
    """
    table = read_json(_TABLE, kind="table of models")
    return tuple(_entry(row, table["data_sets"]) for row in table["models"])


@cache
def _entries_by_name() -> dict[str, Entry]:
    return {name.lower(): entry for entry in entries() for name in entry.all_names}


def _entry(row: dict[str, Any], data_sets: dict[str, str]) -> Entry:  # Any: a row of JSON
    fields = {key: _frozen(value) for key, value in row.items()}
    fields["ap"] = Scores(**row["ap"])
    fields["data"] = tuple(data_sets[key] for key in row["data"])
    fields["files"] = tuple(
        WeightFile(**{key: _frozen(value) for key, value in file.items()}) for file in row["files"]
    )
    return Entry(**fields)


def _frozen(value: Any) -> Any:  # Any: a value of JSON
    return tuple(value) if isinstance(value, list) else value
