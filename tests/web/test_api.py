"""The interface for programs: what it gives is what the library gives, in every form."""

import json
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from posedistill.draw.overlay import draw_overlay
from posedistill.draw.presets import PRESETS, draw_preset
from posedistill.formats.coco_json import read_annotations
from posedistill.formats.openpose_json import read_openpose
from posedistill.media import read_image
from posedistill.poses import Poses
from posedistill.runtime.pipeline import Pipeline
from posedistill.skeleton import Skeleton
from posedistill.web.settings import Settings
from tests.web.running import PNG, GatedSession, dots, jpeg, png, running

IMAGE = dots(3, (70, 90))


@pytest.fixture
def expected(model: Path) -> Poses:
    with Pipeline(model, detector="none", threads=1) as pipeline:
        return pipeline(IMAGE)


def _post(client: httpx.Client, path: str, content: bytes = png(IMAGE)) -> httpx.Response:
    return client.post(path, content=content, headers=PNG)


def test_a_picture_gives_the_poses_that_the_library_gives(
    client: httpx.Client, expected: Poses
) -> None:
    answer = _post(client, "/v1/pose")
    assert answer.status_code == 200
    record = answer.json()
    assert (record["width"], record["height"]) == (70, 90)
    assert (record["model"], record["detector"], record["skeleton"]) == ("dot", "none", "coco17")
    (person,) = record["people"]
    found = np.array(person["keypoints"], np.float32)
    np.testing.assert_array_equal(found[:, :2], expected.keypoints[0])
    np.testing.assert_array_equal(found[:, 2], expected.scores[0])
    assert person["box"] == [0, 0, 70, 90]
    assert (person["id"], person["score"]) == (None, 1.0)
    assert record["timing_ms"]["work"] > 0
    assert record["timing_ms"]["wait"] >= 0


def test_the_brightest_red_pixel_is_where_the_left_eye_is(client: httpx.Client) -> None:
    image = np.zeros((64, 48, 3), np.uint8)
    image[20, 30, 0] = 255
    record = _post(client, "/v1/pose", png(image)).json()
    eye = record["people"][0]["keypoints"][Skeleton.get("coco17").joints.index("left_eye")]
    assert eye == pytest.approx([30, 20, 1.0], abs=0.51)


def test_a_form_and_bare_bytes_give_the_same(client: httpx.Client) -> None:
    image = ("../../etc/passwd", png(IMAGE))
    form = client.post("/v1/pose", files={"other": ("a.txt", b"x"), "image": image})
    raw = client.post("/v1/pose", content=png(IMAGE))  # without a type at all
    assert (
        form.json()["people"] == raw.json()["people"] == _post(client, "/v1/pose").json()["people"]
    )


def test_a_photo_is_turned_as_its_exif_data_says(client: httpx.Client) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = jpeg(IMAGE)
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    record = client.post("/v1/pose", content=turned, headers={"Content-Type": "image/jpeg"}).json()
    assert (record["width"], record["height"]) == (90, 70)


def test_coco_and_openpose_are_those_files(
    client: httpx.Client, expected: Poses, tmp_path: Path
) -> None:
    for name in ("coco", "openpose"):
        answer = _post(client, f"/v1/pose?format={name}")
        assert answer.headers["content-type"] == "application/json"
        (tmp_path / f"{name}.json").write_bytes(answer.content)
    (image,) = read_annotations(tmp_path / "coco.json")
    assert image.size_wh == (70, 90)
    np.testing.assert_array_equal(image.poses.keypoints, expected.keypoints)
    canvas = read_openpose(tmp_path / "openpose.json")
    assert canvas.size_wh == (70, 90)
    np.testing.assert_array_equal(canvas.poses.to("coco17").keypoints, expected.keypoints)


def test_a_control_picture_is_what_its_preset_draws(client: httpx.Client, expected: Poses) -> None:
    for preset in PRESETS:
        answer = _post(client, f"/v1/controlnet?preset={preset}&resolution=128")
        assert answer.headers["content-type"] == "image/png"
        drawn = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert drawn is not None
        wanted = draw_preset(expected, (70, 90), preset, resolution=128)
        np.testing.assert_array_equal(drawn[..., ::-1], wanted)
        assert drawn.any()


def test_parts_of_a_control_picture_can_be_left_out(client: httpx.Client) -> None:
    bare = _post(client, "/v1/controlnet?body=false&hands=false&face=false").content
    drawn = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.shape == (90, 70, 3)
    assert not drawn.any()


def test_models_lists_what_may_be_asked_for(client: httpx.Client, settings: Settings) -> None:
    record = client.get("/v1/models").json()
    (model,) = record["models"]
    assert (model["name"], model["input_wh"], model["skeleton"]) == ("dot", [48, 64], "coco17")
    assert (model["default"], model["ready"]) == (True, True)
    assert [one["name"] for one in record["detectors"]] == ["none"]
    assert [one["name"] for one in record["presets"]] == list(PRESETS)
    assert record["limits"] == {"bytes": settings.max_bytes, "pixels": settings.max_pixels}


def test_a_skeleton_has_a_colour_for_each_joint_and_link(client: httpx.Client) -> None:
    for name in Skeleton.names():
        record = client.get(f"/v1/skeletons/{name}").json()
        skeleton = Skeleton.get(name)
        assert record["joints"] == list(skeleton.joints)
        assert [tuple(link) for link in record["links"]] == list(skeleton.links)
        assert len(record["joint_colors"]) == len(record["joints"])
        assert len(record["link_colors"]) == len(record["links"])
        assert set(record["groups"]) == set(skeleton.groups)


def test_the_colours_of_a_skeleton_are_those_of_the_overlay(
    client: httpx.Client, expected: Poses
) -> None:
    record = client.get("/v1/skeletons/coco17").json()
    drawn = draw_overlay(np.zeros((90, 70, 3), np.uint8), expected, min_score=0)
    seen = {"#" + bytes(color).hex() for color in drawn.reshape(-1, 3)}
    assert seen & set(record["link_colors"])


def test_several_models_are_served_by_their_names(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    with running(Settings(models=(str(model), str(other)), detectors=("none",))) as client:
        assert [one["name"] for one in client.get("/v1/models").json()["models"]] == [
            "dot",
            "other",
        ]
        assert _post(client, "/v1/pose?model=other").json()["model"] == "other"
        assert _post(client, "/v1/pose").json()["model"] == "dot"


def test_two_models_of_one_name_are_refused_at_the_start(model: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    other = tmp_path / "more" / "dot.onnx"
    other.write_bytes(model.read_bytes())
    settings = Settings(models=(str(model), str(other)), detectors=("none",))
    with pytest.raises(ValueError, match="would both be called 'dot'"):
        build(settings)


def build(settings: Settings) -> None:
    from posedistill.web.app import build_app

    build_app(settings)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/pose?model=../dot.onnx", 404, "unknown_model"),
        ("/v1/pose?detector=yolox-m", 404, "unknown_detector"),
        ("/v1/controlnet?preset=none", 404, "unknown_preset"),
        ("/v1/pose?format=xml", 422, "bad_option"),
        ("/v1/pose?modle=dot", 422, "bad_option"),
        ("/v1/controlnet?resolution=9", 422, "bad_option"),
        ("/v1/nothing", 404, "not_found"),
        ("/v1/models", 405, "method_not_allowed"),
    ],
)
def test_what_cannot_be_asked_for_is_told(
    client: httpx.Client, path: str, status: int, code: str
) -> None:
    answer = _post(client, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert len(error["message"]) > 10


def test_an_unknown_skeleton_is_told_with_those_that_are_known(client: httpx.Client) -> None:
    answer = client.get("/v1/skeletons/octopus8")
    assert answer.status_code == 404
    assert "wholebody133" in answer.json()["error"]["message"]


def test_a_large_file_of_a_model_is_opened_once(session: GatedSession, settings: Settings) -> None:
    with running(settings, session) as client:
        before = len(session.sizes)
        assert [_post(client, "/v1/pose").status_code for _ in range(3)] == [200] * 3
        assert session.sizes[before:] == [1, 1, 1]


def test_the_server_closes_its_networks_at_its_end(
    session: GatedSession, settings: Settings
) -> None:
    with running(settings, session) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
    with pytest.raises(ValueError, match="closed"):
        session(np.zeros((1, 3, 64, 48), np.uint8))


def test_a_network_that_fails_is_told_without_its_path(
    settings: Settings, session: GatedSession
) -> None:
    with running(settings, session) as client:
        session.close()
        answer = _post(client, "/v1/pose")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "failed"
    assert ".onnx" not in answer.text


def test_the_demo_photo_is_done_by_the_embedded_networks() -> None:
    from posedistill import __file__ as package

    photo = Path(package).parent / "assets" / "demo" / "grace_hopper.jpg"
    with running(Settings()) as client:
        record = client.post(
            "/v1/pose", content=photo.read_bytes(), headers={"Content-Type": "image/jpeg"}
        ).json()
    with Pipeline(threads=1) as pipeline:
        poses = pipeline(read_image(photo))
    assert (record["model"], record["detector"]) == ("wholebody-t", "person-n")
    assert len(record["people"]) == len(poses) >= 1
    found = np.array([person["keypoints"] for person in record["people"]])
    np.testing.assert_allclose(found[..., :2], poses.keypoints, atol=0.01)
    assert json.dumps(record)
