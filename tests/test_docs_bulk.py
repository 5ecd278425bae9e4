"""docs/bulk.md: its Python reads what the commands write, and its numbers are those of the code."""

import re
from pathlib import Path

import numpy as np
import pytest

from posedistill.bulk.shards import PIECE_IMAGES, Shard, ShardFiles
from posedistill.bulk.units import MOST_IMAGES
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

PAGE = Path(__file__).resolve().parents[1].joinpath("docs", "bulk.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
BODY = Skeleton.get("coco17")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ImagePoses]:
    """Give two photos, one of them with two people, and be where they are to be written."""
    monkeypatch.chdir(tmp_path)
    Path("poses").mkdir()
    two = Poses(
        keypoints=np.ones((2, 17, 2), np.float32),
        scores=np.ones((2, 17), np.float32),
        boxes_xyxy=np.ones((2, 4), np.float32),
        box_scores=np.ones(2, np.float32),
        skeleton=BODY,
    )
    return [ImagePoses(1, two, "a.jpg"), ImagePoses(2, Poses.empty(BODY), "b/c.jpg")]


def _write(image: ImagePoses, name: str, *, form: str) -> None:
    FORMATS[form].write(Path("poses", name), [image], skeleton=BODY, version="0")


def test_pandas_reads_the_parts_as_the_page_says(
    images: list[ImagePoses], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for index, image in enumerate(images):
        _write(image, f"part-{index}.parquet", form="parquet")
    exec(BLOCKS[0] + "print(keypoints.shape)", {})
    assert capsys.readouterr().out == "3 rows, 2 files, 2 people\n(17, 2)\n"


def test_json_lines_are_read_as_the_page_says(
    images: list[ImagePoses], capsys: pytest.CaptureFixture[str]
) -> None:
    for index, image in enumerate(images):
        _write(image, f"part-{index}.jsonl", form="jsonl")
    exec(BLOCKS[1], {})
    assert capsys.readouterr().out == "a.jpg 2\nb/c.jpg 0\n"


def test_numbers_and_names_on_the_page_are_those_of_the_code(tmp_path: Path) -> None:
    assert f"of {PIECE_IMAGES:,} photos each" in PAGE
    assert f"up to {MOST_IMAGES} photos or one video" in PAGE
    assert f"`{ShardFiles(tmp_path, Shard(3, 16)).failures.name}`" in PAGE
