"""What the page saves, opened by our own readers."""

import json
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np

from posedistill.formats.coco_json import read_annotations
from posedistill.formats.openpose_json import read_openpose
from posedistill.media import read_image
from tests.browser.site import PHOTOS, Watched, expecting, sure_joints

_CRC = """async (text) => {
  const { crc32 } = await import("/static/zip.js");
  return crc32(new TextEncoder().encode(text));
}"""
_ZIP = """async (files) => {
  const { zip } = await import("/static/zip.js");
  const blob = await zip(files.map(([name, text]) => ({ name, blob: new Blob([text]) })));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return Array.from(bytes);
}"""
_UNLIKE = """async (names) => (await import("/static/zip.js")).unlike(names)"""


def _save(watched: Watched, button: str, *, folder: Path) -> Path:
    with watched.page.expect_download(timeout=60_000) as download:
        watched.page.click(button)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return Path(path)


def test_the_picture_is_saved_at_full_size_with_the_skeleton_over_it(
    watched: Watched, tmp_path: Path
) -> None:
    answer = watched.show()
    path = _save(watched, "#save-png", folder=tmp_path)
    assert path.name == "grace_hopper-skeleton.png"
    saved, photo = read_image(path).astype(int), read_image(PHOTOS[0]).astype(int)
    assert saved.shape == photo.shape
    is_changed = np.abs(saved - photo).max(axis=-1) > 40
    assert 0.002 < is_changed.mean() < 0.3
    points = np.array(answer["people"][0]["keypoints"])[sure_joints(answer), :2]
    x, y = np.rint(points).astype(int).T
    assert is_changed[y, x].mean() > 0.9  # dots may have the colour of what is below


def test_the_coco_file_holds_the_joints_and_the_photos_name(
    watched: Watched, tmp_path: Path
) -> None:
    answer = watched.show()
    path = _save(watched, "#save-coco", folder=tmp_path)
    (image,) = read_annotations(path)
    assert image.file_name == "grace_hopper.jpg"
    wanted = np.array(answer["people"][0]["keypoints"])
    assert np.abs(image.poses.keypoints[0] - wanted[:, :2]).max() < 0.01


def test_the_openpose_file_holds_the_joints_and_the_canvas(
    watched: Watched, tmp_path: Path
) -> None:
    answer = watched.show()
    path = _save(watched, "#save-openpose", folder=tmp_path)
    found = read_openpose(path)
    assert found.size_wh == (answer["width"], answer["height"])
    wanted = np.array(answer["people"][0]["keypoints"])
    nose = found.poses.skeleton.joints.index("nose")
    assert np.abs(found.poses.keypoints[0, nose] - wanted[nose, :2]).max() < 0.01


def test_the_control_picture_is_saved_with_figures_on_black(
    watched: Watched, tmp_path: Path
) -> None:
    watched.show()
    picture = read_image(_save(watched, "#save-control", folder=tmp_path))
    is_drawn = picture.max(axis=-1) > 0
    assert 0.001 < is_drawn.mean() < 0.5


def test_the_archive_of_a_batch_holds_all_files_of_each_photo_and_what_was_left_out(
    watched: Watched, tmp_path: Path
) -> None:
    watched.expected += ["400 (Bad Request)", "415"]
    watched.show(PHOTOS[0])
    watched.show(PHOTOS[1])
    watched.show(PHOTOS[1])  # twice the same name
    watched.drop([("broken.jpg", b"no picture")])
    expecting(watched.page.locator("#counts")).to_have_text("4 photos, 1 failed")
    path = _save(watched, "#save-zip", folder=tmp_path)
    ends = ("skeleton.png", "controlnet.png", "coco.json", "openpose.json")
    stems = ("grace_hopper", "camera", "camera (2)")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = {f"{stem}-{end}" for stem in stems for end in ends}
        assert set(archive.namelist()) == names | {"left-out.txt"}
        assert archive.read("left-out.txt").startswith(b"broken.jpg: ")
        coco = json.loads(archive.read("camera (2)-coco.json"))
        picture = np.frombuffer(archive.read("camera-skeleton.png"), np.uint8)
    assert coco["images"][0]["file_name"] == "camera.jpg"
    decoded = cv2.imdecode(picture, cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (512, 512, 3)


def test_the_page_computes_the_crc_of_zlib(watched: Watched) -> None:
    for text in ("", "a", "123456789", "größer " * 1000):
        assert watched.page.evaluate(_CRC, text) == zlib.crc32(text.encode())


def test_archives_of_the_page_open_in_python(watched: Watched, tmp_path: Path) -> None:
    files = {"a.txt": "first", "Fuß/ü.txt": "second" * 999, "empty": ""}
    (tmp_path / "a.zip").write_bytes(
        bytes(watched.page.evaluate(_ZIP, [list(item) for item in files.items()]))
    )
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name).decode() for name in archive.namelist()} == files
        assert all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())


def test_names_that_are_there_twice_are_told_apart(watched: Watched) -> None:
    names = watched.page.evaluate(_UNLIKE, ["a.jpg", "A.jpg", "a.jpg", "b", ".c", "b"])
    assert names == ["a.jpg", "A (2).jpg", "a (3).jpg", "b", ".c", "b (2)"]
