import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.media import (
    check_image,
    list_images,
    read_image,
    read_reduced_image,
    write_image,
    write_whole,
)


def _photo() -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (90, 60), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _encode(suffix: str, image: NDArray[np.integer | np.floating]) -> bytes:
    _, data = cv2.imencode(suffix, image)
    return bytes(data.tobytes())


def _with_exif_orientation(jpeg: bytes, orientation: int, thumbnail: bytes = b"") -> bytes:
    entry = struct.pack("<H", 1) + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    body = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".ppm"])
def test_a_lossless_image_reads_back_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"photo{suffix}", _photo())
    np.testing.assert_array_equal(read_image(tmp_path / f"photo{suffix}"), _photo())


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    bgr = np.full((4, 5, 3), (10, 20, 200), np.uint8)
    (tmp_path / "red.png").write_bytes(_encode(".png", bgr))
    assert read_image(tmp_path / "red.png")[0, 0].tolist() == [200, 20, 10]


def test_unicode_names_are_read_and_written(tmp_path: Path) -> None:
    write_image(tmp_path / "фото 写真 ü.png", _photo())
    np.testing.assert_array_equal(read_image(tmp_path / "фото 写真 ü.png"), _photo())


def test_greyscale_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = _photo()[..., 0]
    (tmp_path / "grey.png").write_bytes(_encode(".png", grey))
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.dstack([grey] * 3))


def test_alpha_is_dropped_and_colours_stay(tmp_path: Path) -> None:
    rgba = np.dstack([_photo(), np.full((60, 90), 7, np.uint8)])
    (tmp_path / "alpha.png").write_bytes(_encode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA)))
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), _photo())


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_scaled_to_the_nearest_of_8(tmp_path: Path, suffix: str, channels: int) -> None:
    values = np.linspace(0, 65535, 20 * 30).astype(np.uint16).reshape(20, 30)
    deep = values if channels == 1 else np.dstack([values] * channels)
    (tmp_path / f"deep{suffix}").write_bytes(_encode(suffix, deep))
    expected = np.rint(values.astype(np.float64) * 255 / 65535)
    image = read_image(tmp_path / f"deep{suffix}")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 1], expected)


@pytest.mark.parametrize(
    ("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)], ids=["up", "180", "cw", "ccw"]
)
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, turns: int) -> None:
    upright = cv2.GaussianBlur(_photo(), (0, 0), 3)
    jpeg = _encode(".jpg", upright)
    (tmp_path / "plain.jpg").write_bytes(jpeg)
    (tmp_path / "turned.jpg").write_bytes(_with_exif_orientation(jpeg, orientation))
    expected = np.rot90(read_image(tmp_path / "plain.jpg"), turns)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.jpg"), expected)


def test_an_image_of_one_pixel_is_valid(tmp_path: Path) -> None:
    write_image(tmp_path / "dot.png", np.full((1, 1, 3), 9, np.uint8))
    assert read_image(tmp_path / "dot.png").shape == (1, 1, 3)


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_truncated_image_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    data = _encode(suffix, _photo())
    (tmp_path / f"cut{suffix}").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=rf"cut\{suffix}"):
        read_image(tmp_path / f"cut{suffix}")


def test_a_truncated_jpeg_with_a_whole_thumbnail_is_called_truncated(tmp_path: Path) -> None:
    thumbnail = _encode(".jpg", _photo()[:8, :8])
    data = _with_exif_orientation(_encode(".jpg", _photo()), 1, thumbnail)
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "cut.jpg").write_bytes(data[:-200])
    assert read_image(tmp_path / "whole.jpg").shape == (60, 90, 3)
    with pytest.raises(ValueError, match="cut.jpg: the image is truncated"):
        read_image(tmp_path / "cut.jpg")


def test_a_progressive_jpeg_with_bytes_after_its_end_is_read(tmp_path: Path) -> None:
    _, data = cv2.imencode(".jpg", _photo(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    (tmp_path / "trailer.jpg").write_bytes(data.tobytes() + b"appended by a phone")
    assert read_image(tmp_path / "trailer.jpg").shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"hello, I am no photo\n", "text"),
        (b"\xff\xd8", "JPEG"),
        (bytes(range(256)) * 20, "binary data"),
        (b"%PDF-1.7 and so on", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
    ],
    ids=["empty", "text", "two bytes", "noise", "pdf", "heic", "lfs"],
)
def test_what_is_no_image_is_named_with_what_it_looks_like(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=rf"photo\.jpg.*{message}"):
        read_image(tmp_path / "photo.jpg")


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.jpg"):
        read_image(tmp_path / "none.jpg")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path)


def test_pixels_of_32_bits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "float.tiff").write_bytes(_encode(".tiff", np.ones((4, 4, 3), np.float32)))
    with pytest.raises(ValueError, match="float32"):
        read_image(tmp_path / "float.tiff")


def test_writing_leaves_one_whole_file_and_replaces_the_old(tmp_path: Path) -> None:
    for _ in range(2):
        write_image(tmp_path / "photo.png", _photo())
    assert os.listdir(tmp_path) == ["photo.png"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", b"data")
    assert os.listdir(tmp_path) == ["taken"]


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.jqg'"):
        write_image(tmp_path / "photo.jqg", _photo())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "no pixel"],
)
def test_an_array_that_is_no_rgb_image_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        check_image(image)


def test_folders_give_their_images_sorted_and_each_file_once(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"not looked into")
    (tmp_path / "sub.jpg").mkdir()
    found = list_images([tmp_path / "b.PNG", tmp_path, tmp_path / "notes.txt"])
    assert [path.name for path in found] == ["b.PNG", "a.jpg", "notes.txt"]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images in"):
        list_images([tmp_path])


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        list_images([tmp_path / "none"])


def _smooth_jpeg(size_wh: tuple[int, int]) -> bytes:
    photo = cv2.resize(_photo()[:12, :18], size_wh, interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 98])
    return bytes(data.tobytes())


def _block_means(image: NDArray[np.uint8], factor: int) -> NDArray[np.float64]:
    h, w = (side // factor for side in image.shape[:2])
    whole = image[: h * factor, : w * factor].astype(np.float64)
    return np.asarray(whole.reshape(h, factor, w, factor, 3).mean(axis=(1, 3)))


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("size_wh", [(320, 240), (333, 251)], ids=["multiples", "odd sides"])
def test_each_pixel_of_a_reduced_jpeg_is_the_mean_of_those_it_covers(
    tmp_path: Path, size_wh: tuple[int, int], factor: int
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(_smooth_jpeg(size_wh))
    image, taken = read_reduced_image(path, factor=factor)
    means = _block_means(read_image(path), factor)
    h, w = means.shape[:2]
    assert taken == factor
    assert image.shape == (-(-size_wh[1] // factor), -(-size_wh[0] // factor), 3)
    # A shift by half a reduced pixel gives 2 to 10 grey levels here.
    assert np.abs(image[:h, :w] - means)[1:-1, 1:-1].mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("size_wh", "expected"), [((320, 240), 8), ((324, 244), 4), ((334, 252), 2), ((333, 251), 1)]
)
def test_a_turned_photo_is_reduced_as_far_as_its_pixels_still_line_up(
    tmp_path: Path, size_wh: tuple[int, int], expected: int, orientation: int
) -> None:
    path = tmp_path / "turned.jpg"
    path.write_bytes(_with_exif_orientation(_smooth_jpeg(size_wh), orientation))
    image, taken = read_reduced_image(path, factor=8)
    means = _block_means(read_image(path), taken)
    assert taken == expected
    assert image.shape == means.shape
    assert np.abs(image - means)[1:-1, 1:-1].mean() < 1


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tiff"])
def test_other_formats_than_jpeg_come_whole(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"photo{suffix}", _photo())
    image, taken = read_reduced_image(tmp_path / f"photo{suffix}", factor=4)
    assert taken == 1
    np.testing.assert_array_equal(image, read_image(tmp_path / f"photo{suffix}"))


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_jpeg_is_refused_reduced_too(tmp_path: Path, kept: float) -> None:
    data = _encode(".jpg", _photo())
    (tmp_path / "cut.jpg").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=r"cut\.jpg"):
        read_reduced_image(tmp_path / "cut.jpg", factor=2)


@pytest.mark.parametrize("factor", [0, 3, 16])
def test_other_factors_are_refused(tmp_path: Path, factor: int) -> None:
    write_image(tmp_path / "photo.jpg", _photo())
    with pytest.raises(ValueError, match=f"factor is {factor}; expected one of 1, 2, 4, 8"):
        read_reduced_image(tmp_path / "photo.jpg", factor=factor)
