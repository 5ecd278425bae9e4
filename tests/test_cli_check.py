import json
from pathlib import Path

import pytest

from posedistill.cli import main
from posedistill.cli_check import check
from posedistill.datasets.drawn import DrawnPeople


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return DrawnPeople(4, seed=1, size=64).write(tmp_path / "data")


def _change(annotations: Path, **changes: object) -> None:
    content = json.loads(annotations.read_text())
    content["annotations"][2].update(changes)
    annotations.write_text(json.dumps(content))


def test_a_clean_file_gives_0_and_a_page(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(*files, out=tmp_path / "new" / "page") == 0
    printed = capsys.readouterr().out
    assert "4 people in 4 images, wholebody133" in printed
    assert "nothing was found" in printed
    names = {path.name for path in (tmp_path / "new" / "page").iterdir()}
    assert names == {"check.html", "findings.json"}
    assert json.loads((tmp_path / "new" / "page" / "findings.json").read_text()) == []


def test_an_error_gives_1(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _change(files[0], bbox=[5, 5, 0, 5])
    assert check(*files, out=tmp_path / "page") == 1
    assert "error         1  Boxes without area" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "page" / "findings.json").read_text())
    assert row["kind"] == "box without area"
    assert row["error"] is True
    assert (row["annotation_id"], row["image_id"]) == (3, 3)
    assert row["image"] == str(files[1] / "000003.png")


def test_a_warning_gives_0(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _change(files[0], num_keypoints=99)
    assert check(*files, out=tmp_path / "page") == 0
    assert "warning       1  num_keypoints that do not match" in capsys.readouterr().out


def test_a_second_run_replaces_the_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    _change(files[0], bbox=[5, 5, 0, 5])
    check(*files, out=tmp_path / "page")
    _change(files[0], bbox=[5, 5, 50, 50])
    assert check(*files, out=tmp_path / "page") == 0
    assert "Boxes without area:" not in (tmp_path / "page" / "check.html").read_text()


def test_the_command_runs_the_check(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = files[1] / "000001.png"
    path.write_bytes(path.read_bytes()[:200])
    words = ["data", "check", str(files[0]), "--images", str(files[1]), "--out"]
    words.append(str(tmp_path / "page"))
    for more, code in ([], 0), (["--decode", "--pictures", "1"], 1):
        assert main([*words, *more]) == code


def test_what_cannot_be_checked_is_refused_before_anything_is_written(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "page"
    with pytest.raises(FileNotFoundError, match="no such folder of images"):
        check(files[0], tmp_path / "none", out=out)
    with pytest.raises(FileNotFoundError, match="no such annotation file"):
        check(tmp_path / "none.json", files[1], out=out)
    with pytest.raises(ValueError, match="--pictures is -1"):
        check(*files, out=out, pictures=-1)
    with pytest.raises(ValueError, match="is a file; expected a folder"):
        check(*files, out=files[0])
    assert not out.exists()
