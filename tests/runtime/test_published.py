"""Files without a Spec, with a fixed batch, or with sizes left open, run as they are."""

import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from posedistill import Estimator
from posedistill.codecs import SimCC
from posedistill.runtime.graph import output_shapes
from posedistill.runtime.published import ARCHITECTURE, published_spec
from posedistill.runtime.session import OnnxSession, open_session
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

WriteModel = Callable[..., Path]
SIZE_WH = (48, 64)
CODEC = SimCC(SIZE_WH, (math.sqrt(6), math.sqrt(8)))


def _spec(skeleton: str = "coco17", codec: SimCC = CODEC) -> Spec:
    return Spec(ARCHITECTURE, skeleton, codec, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def _crops(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, (n, 3, 64, 48), dtype=np.uint8)


def _assert_same(session: OnnxSession, other: OnnxSession, crops: NDArray[np.uint8]) -> None:
    for seen, wanted in zip(session(crops), other(crops), strict=True):
        assert seen.dtype == np.float32
        np.testing.assert_array_equal(seen, wanted)


OPEN = [(), ("joints",), ("size",), ("bins",), ("size", "joints"), ("bins", "joints")]


@pytest.mark.parametrize("unknown", OPEN, ids=lambda names: " and ".join(names) or "nothing")
@pytest.mark.parametrize("batch", ["batch", 1, 3], ids=lambda batch: f"batch {batch}")
def test_a_file_without_a_spec_runs_whatever_it_leaves_open(
    write_dot_model: WriteModel, unknown: tuple[str, ...], batch: int | str
) -> None:
    with_spec = OnnxSession(write_dot_model("spec.onnx", spec=_spec()))
    path = write_dot_model("raw.onnx", spec=_spec(), metadata="", batch=batch, unknown=unknown)
    session = OnnxSession(path)
    assert session.spec == _spec()
    _assert_same(session, with_spec, _crops(4))


@pytest.mark.parametrize("skeleton", ["coco17", "hand21", "wholebody133"])
def test_the_number_of_joints_says_the_skeleton(write_dot_model: WriteModel, skeleton: str) -> None:
    path = write_dot_model(spec=_spec(skeleton), metadata="", unknown=("joints",))
    assert OnnxSession(path).spec == _spec(skeleton)


def test_the_split_ratio_is_bins_by_pixels(write_dot_model: WriteModel) -> None:
    codec = SimCC(SIZE_WH, CODEC.sigma_xy, split_ratio=3.0)
    assert OnnxSession(write_dot_model(spec=_spec(codec=codec), metadata="")).spec.codec == codec


def test_what_a_file_was_taken_for_is_logged_once(
    write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="posedistill"):
        OnnxSession(write_dot_model("raw.onnx", spec=_spec(), metadata=""))
        OnnxSession(write_dot_model("spec.onnx", spec=_spec()))
    assert [record.getMessage() for record in caplog.records] == [
        "raw.onnx carries no Spec; by its shapes it is coco17 at 48x64 with 96 and 128 SimCC "
        "bins, normalised as for ImageNet"
    ]


@pytest.mark.parametrize("batch", [1, 3, 4])
@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("spec", [_spec(), Spec("dot", "coco17", CODEC)], ids=["float", "uint8"])
def test_a_fixed_batch_gives_what_single_crops_give(
    write_dot_model: WriteModel, spec: Spec, batch: int, count: int
) -> None:
    single = OnnxSession(write_dot_model("single.onnx", spec=spec))
    fixed = OnnxSession(write_dot_model("fixed.onnx", spec=spec, batch=batch))
    crops = _crops(count)[..., ::-1]
    alone = [single(crop[None]) for crop in crops]
    wanted = [np.concatenate(rows) for rows in zip(*alone, strict=True)]
    seen = fixed(crops)
    assert [output.shape for output in seen] == [(count, 17, 96), (count, 17, 128)]
    for output, other in zip(seen, wanted, strict=True):
        np.testing.assert_array_equal(output, other)


@pytest.mark.parametrize("batch", ["batch", 3])
def test_no_crops_give_empty_outputs(write_dot_model: WriteModel, batch: int | str) -> None:
    session = OnnxSession(write_dot_model(spec=_spec(), batch=batch))
    outputs = session(np.zeros((0, 3, 64, 48), np.uint8))
    assert [output.shape for output in outputs] == [(0, 17, 96), (0, 17, 128)]
    assert [output.dtype for output in outputs] == [np.float32, np.float32]


def test_the_estimator_gives_the_same_poses_from_a_raw_file(
    write_dot_model: WriteModel, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    boxes = [[5, 5, 60, 80], [-20, 10, 50, 95], [40, 0, 119, 60], [70, 30, 90, 50]]
    with_spec = Estimator(write_dot_model("spec.onnx", spec=_spec()), flip_test=True)
    raw_file = write_dot_model("raw.onnx", spec=_spec(), metadata="", batch=3)
    wanted, seen = with_spec(image, boxes), Estimator(raw_file, flip_test=True)(image, boxes)
    np.testing.assert_array_equal(seen.keypoints, wanted.keypoints)
    np.testing.assert_array_equal(seen.scores, wanted.scores)


def test_other_numbers_of_joints_need_a_spec(write_dot_model: WriteModel) -> None:
    path = write_dot_model("face.onnx", spec=_spec("face68"), metadata="")
    with pytest.raises(
        ValueError, match=r"face\.onnx: 68 joints .* 133 \(wholebody133\); .*--spec"
    ):
        OnnxSession(path)
    assert OnnxSession(path, spec=_spec("face68")).spec.skeleton == "face68"


@pytest.mark.parametrize(
    "options",
    [
        {"output_names": ("simcc_x", "y")},
        {"spec": Spec("dot", "coco17", CODEC)},
        {"unknown": ("size", "bins")},
    ],
    ids=["other outputs", "uint8", "neither size nor bins"],
)
def test_a_graph_that_is_no_published_one_is_described(
    write_dot_model: WriteModel, options: dict[str, object]
) -> None:
    path = write_dot_model("odd.onnx", **({"spec": _spec(), "metadata": ""} | options))
    with pytest.raises(ValueError, match=r"odd\.onnx carries no posedistill Spec") as caught:
        OnnxSession(path)
    text = str(caught.value)
    assert "Inputs: images tensor(" in text
    assert "outputs: simcc_x tensor(float) ['batch', 17, " in text
    assert "--spec NAME" in text
    assert "posedistill export" in text
    assert "\n" not in text


def test_a_graph_of_two_inputs_is_refused_with_and_without_a_spec(
    write_dot_model: WriteModel,
) -> None:
    path = write_dot_model(spec=_spec(), metadata="")
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("depth", TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"depth tensor\(float\) \[1\]; outputs"):
        OnnxSession(path)
    with pytest.raises(ValueError, match=r"depth tensor\(float\) \[1\]; the Spec says"):
        OnnxSession(path, spec=_spec())


def test_a_size_guessed_from_bins_that_the_graph_does_not_give_is_refused(
    write_dot_model: WriteModel,
) -> None:
    one_bin_a_pixel = _spec(codec=SimCC(SIZE_WH, CODEC.sigma_xy, split_ratio=1.0))
    path = write_dot_model(spec=one_bin_a_pixel, metadata="", unknown=("size",))
    with pytest.raises(ValueError, match=r"simcc_x of a 24x32 crop is \(17, 24\).* declares"):
        OnnxSession(path)
    assert OnnxSession(path, spec=one_bin_a_pixel).spec == one_bin_a_pixel


def test_a_given_spec_wins_over_the_one_in_the_file(write_dot_model: WriteModel) -> None:
    given = Spec("mine", "coco17", CODEC, padding=1.1, mean=(0, 0, 0), std=(255, 255, 255))
    path = write_dot_model(spec=_spec())
    assert OnnxSession(path).spec == _spec()
    session = open_session(path, spec=given)
    assert session.spec == given
    plain = OnnxSession(write_dot_model("plain.onnx", spec=Spec("dot", "coco17", CODEC)))
    crops = _crops(2)
    for seen, wanted in zip(session(crops), plain(crops), strict=True):
        np.testing.assert_allclose(seen, wanted / 255, atol=1e-8)


@pytest.mark.parametrize("unknown", [(), ("joints",), ("size", "bins")], ids=str)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (_spec("hand21"), r"gives simcc_x \(17, 96\), .* \(hand21, simcc at 48x64\) says .*21, 96"),
        (
            _spec(codec=SimCC(SIZE_WH, (1, 1), split_ratio=1.0)),
            r"gives simcc_x \(17, 96\), simcc_y \(17, 128\) a crop; .* says simcc_x \(17, 48\)",
        ),
        (Spec("mine", "coco17", CODEC), "expects normalised input, so its Spec needs mean and std"),
    ],
    ids=["joints", "bins", "no mean"],
)
def test_a_given_spec_that_does_not_fit_is_refused(
    write_dot_model: WriteModel, unknown: tuple[str, ...], given: Spec, message: str
) -> None:
    path = write_dot_model(spec=_spec(), metadata="", unknown=unknown)
    with pytest.raises(ValueError, match=message):
        OnnxSession(path, spec=given)


def test_a_graph_that_normalises_by_itself_takes_no_mean(write_dot_model: WriteModel) -> None:
    path = write_dot_model(spec=Spec("dot", "coco17", CODEC))
    with pytest.raises(ValueError, match=r"normalises by itself, so its Spec has no mean and std"):
        OnnxSession(path, spec=_spec())


def test_a_spec_in_the_file_that_lies_about_the_joints_is_refused(
    write_dot_model: WriteModel,
) -> None:
    path = write_dot_model(spec=_spec(), metadata=_spec("hand21").to_json(), unknown=("joints",))
    with pytest.raises(ValueError, match=r"gives simcc_x \(17, 96\)"):
        OnnxSession(path)


def test_a_spec_is_for_files_only(write_dot_model: WriteModel) -> None:
    session = OnnxSession(write_dot_model())
    with pytest.raises(ValueError, match="a OnnxSession has a Spec of its own"):
        open_session(session, spec=_spec())


def test_bins_that_are_no_common_multiple_of_the_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="384 and 500 bins are not the same multiple of 192x256"):
        published_spec((192, 256), 17, bins_xy=(384, 500))


def test_a_published_spec_asks_for_the_shapes_it_was_made_from() -> None:
    spec = published_spec((192, 256), 133, bins_xy=(384, 512))
    assert output_shapes(spec) == ((133, 384), (133, 512))
    assert (spec.padding, spec.licence, spec.data_card) == (1.25, "", "")
