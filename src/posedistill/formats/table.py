"""The table of formats: how each is written and read, and which one a path is of."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from posedistill.formats.coco_json import read_annotations, write_annotations
from posedistill.formats.coco_results import read_results, write_results
from posedistill.formats.csv_table import read_csv, write_csv
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.json_lines import read_jsonl, write_jsonl
from posedistill.formats.mmpose_json import read_mmpose, write_mmpose
from posedistill.formats.npz_arrays import read_npz, write_npz
from posedistill.formats.openpose_folder import read_openpose_folder, write_openpose_folder
from posedistill.formats.parquet_table import read_parquet, write_parquet
from posedistill.skeleton import Skeleton


class Write(Protocol):
    """Write images to a path."""

    def __call__(
        self,
        path: str | os.PathLike[str],
        images: Iterable[ImagePoses],
        *,
        skeleton: Skeleton,
        version: str,
    ) -> None:
        """Write them; skeleton: of all the poses, version: of posedistill."""


class Read(Protocol):
    """Read the images of a path."""

    def __call__(self, path: str | os.PathLike[str]) -> list[ImagePoses]:
        """Read them."""


@dataclass(frozen=True)
class Format:
    """Say how a format is written and read, and how its files end; a folder has no ending."""

    suffix: str
    write: Write
    read: Read

    @property
    def is_folder(self) -> bool:
        """Say whether a path of this format is a folder.

        >>> FORMATS["openpose"].is_folder, FORMATS["csv"].is_folder
        (True, False)
        """
        return not self.suffix


FORMATS = {
    "coco": Format(".json", write_annotations, read_annotations),
    "coco-results": Format(".results.json", write_results, read_results),
    "openpose": Format("", write_openpose_folder, read_openpose_folder),
    "csv": Format(".csv", write_csv, read_csv),
    "npz": Format(".npz", write_npz, read_npz),
    "parquet": Format(".parquet", write_parquet, read_parquet),
    "mmpose": Format(".mmpose.json", write_mmpose, read_mmpose),
    "jsonl": Format(".jsonl", write_jsonl, read_jsonl),
}


def format_of(path: str | os.PathLike[str]) -> str:
    """Give the name of the format that a path is of, by its suffix; the longest one counts.

    A folder, or a name without any suffix, is ``openpose``. Raises ValueError for another suffix,
    listing the known ones.

    >>> format_of("a.json"), format_of("a.mmpose.json"), format_of("poses/")
    ('coco', 'mmpose', 'openpose')
    """
    path = Path(path)
    if path.is_dir() or not path.suffix:
        return "openpose"
    ending = {name: known for name, known in FORMATS.items() if known.suffix}
    found = [name for name in ending if path.name.lower().endswith(ending[name].suffix)]
    if not found:
        known = ", ".join(f"{known.suffix} ({name})" for name, known in ending.items())
        raise ValueError(
            f"{path}: unknown suffix {path.suffix!r}; expected one of {known}, "
            "or a folder (openpose)"
        )
    return max(found, key=lambda name: len(ending[name].suffix))
