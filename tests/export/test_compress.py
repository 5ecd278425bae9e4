"""Smaller files: what is in them, what they lose, and when they are not written."""

import json
import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import posedistill
from posedistill.codecs import SimCC
from posedistill.export.calibration import LabelledPhotos
from posedistill.export.compress import Compressed, RefusedError, compress
from posedistill.export.precision import store_in_16_bits
from posedistill.media import read_image
from posedistill.models import PoseModel, build
from posedistill.models.branches import BranchedModel
from posedistill.runtime.estimator import Estimator
from posedistill.runtime.session import OnnxSession
from posedistill.spec import METADATA_KEY, Spec

ASSETS = Path(posedistill.__file__).parent / "assets"
EMBEDDED = ASSETS / "wholebody-t.onnx"
PARTS = ["whole", "body", "foot", "face", "left_hand", "right_hand"]


def _spec() -> Spec:
    with OnnxSession(EMBEDDED, device="cpu") as session:
        return session.spec


def _nodes(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def _demo_poses(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    boxes = json.loads((ASSETS / "demo" / "boxes.json").read_text(encoding="utf-8"))
    name = "astronaut.jpg"
    poses = Estimator(path)(read_image(ASSETS / "demo" / name), boxes[name])
    return poses.keypoints, poses.scores


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the embedded model with its weights in 32 bits, as a plain export has them."""
    model = onnx.load(EMBEDDED)
    small = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = [node for node in model.graph.node if node.op_type == "Cast" and node.input[0] in small]
    assert casts
    for cast in casts:
        tensor = small[cast.input[0]]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, cast.output[0]))
        model.graph.node.remove(cast)
    path = tmp_path_factory.mktemp("embedded") / "wholebody-t.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def int8(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Compressed]:
    """Give the embedded model in 8 bits, calibrated on the bundled photos."""
    out = tmp_path_factory.mktemp("int8") / "small.onnx"
    spec = replace(_spec(), licence="for tests")
    return out, compress(embedded, out, kind="int8", spec=spec)


def test_a_quantised_file_is_less_than_half_the_size_and_keeps_its_spec(
    embedded: Path, int8: tuple[Path, Compressed]
) -> None:
    out, report = int8
    assert out.stat().st_size < 0.5 * embedded.stat().st_size
    assert (report.effect.bytes_before, report.effect.bytes_after) == (
        embedded.stat().st_size,
        out.stat().st_size,
    )
    with OnnxSession(out, device="cpu") as session:
        assert session.spec == replace(_spec(), licence="for tests")


def test_a_quantised_file_finds_the_same_joints(int8: tuple[Path, Compressed]) -> None:
    (wanted, scores), (got, _) = (_demo_poses(path) for path in (EMBEDDED, int8[0]))
    sure = scores >= 0.3
    assert sure.sum() > 50
    box_height = 360  # pixels of the photo, about
    far = np.linalg.norm(wanted - got, axis=2)[sure]
    assert np.median(far) < 0.005 * box_height
    assert far.mean() < 0.02 * box_height


def test_layers_are_in_bytes_and_attention_is_not(int8: tuple[Path, Compressed]) -> None:
    out, report = int8
    model = onnx.load(out)
    made_by = {output: node.op_type for node in model.graph.node for output in node.output}
    inputs: dict[str, list[set[str]]] = {"Conv": [], "MatMul": []}
    for node in model.graph.node:
        if node.op_type in inputs:
            inputs[node.op_type].append({made_by.get(name, "weight") for name in node.input[:2]})
    assert report.choice is not None
    in_bytes = sum(row.layers for row in report.choice.rows if not row.is_float)
    assert (inputs["Conv"] + inputs["MatMul"]).count({"DequantizeLinear"}) == in_bytes
    in_float = [row for row in report.choice.rows if row.is_float]
    assert sum(row.share for row in in_float) <= 0.5  # of the work; the rest is in bytes
    assert not in_float or report.choice.mean_shift < report.choice.mean_shift_all
    assert in_bytes >= 27  # layers; how many bear it depends on the weights
    # Query by key, and attention by value: none of these are weights.
    products = [kinds for kinds in inputs["MatMul"] if not kinds & {"weight", "DequantizeLinear"}]
    assert len(products) == 2
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert _nodes(out)[:3] == ["Cast", "Sub", "Div"]


def test_the_report_of_a_quantised_file_tells_parts_and_groups(
    int8: tuple[Path, Compressed],
) -> None:
    out, report = int8
    record = json.loads(out.with_name("small.onnx.report.json").read_text(encoding="utf-8"))
    assert [shift["part"] for shift in record["shifts"]] == PARTS
    assert record["threads"] == 1
    assert record["bytes_after"] == out.stat().st_size
    assert set(record["speed_ratios"]) == {"1", "16"}
    assert report.choice is not None
    rows = report.choice.rows
    assert [row["group"] for row in record["sensitivity"]["rows"]] == [row.group for row in rows]
    assert rows[0].group == "backbone.stem.0"
    assert "head.final_layer" in [row.group for row in rows]
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.layers for row in rows) == 38 + 5  # convolutions and linear layers of RTMPose-t
    assert report.effect.shifts[0].mean < 0.96  # half a per cent of 192 pixels
    assert "all groups in 8 bits" in str(report)


@pytest.mark.parametrize(("kind", "most"), [("fp16", 0.02), ("bf16", 0.2)])
def test_weights_in_16_bits_halve_the_file_and_move_nothing_much(
    kind: str, most: float, embedded: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "small.onnx"
    with caplog.at_level(logging.WARNING):
        report = compress(embedded, out, kind=kind, spec=_spec())  # type: ignore[arg-type]
    assert 0.5 < out.stat().st_size / embedded.stat().st_size < 0.51
    assert report.choice is None
    assert report.effect.shifts[0].mean < most
    assert "bundled photos stand in for yours" in caplog.text
    assert not list(tmp_path.glob("*.partial*"))


def _one_weight(values: NDArray[np.float32]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "weight"], ["y"])],
        "scaled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, values.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, values.shape)],
        [numpy_helper.from_array(values, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize(("kind", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_weights_are_rounded_as_torch_rounds_them(
    kind: str, dtype: torch.dtype, rng: np.random.Generator, tmp_path: Path
) -> None:
    import onnxruntime

    values = (rng.standard_normal(4096) * np.exp(rng.uniform(-8, 8, 4096))).astype(np.float32)
    values[:4] = [0.0, -0.0, 1 + 2.0**-8, 1 + 2.0**-9 + 2.0**-8]  # ties, and just beyond one
    stored = store_in_16_bits(_one_weight(values), kind)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(
        stored.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (got,) = session.run(None, {"x": np.ones_like(values)})
    wanted = torch.from_numpy(values).to(dtype).float().numpy()
    assert np.array_equal(got, wanted)


def test_a_weight_beyond_half_precision_is_refused() -> None:
    model = _one_weight(np.full(300, 1e5, np.float32))
    with pytest.raises(ValueError, match="weight holds 100000, more than fp16 reaches; take bf16"):
        store_in_16_bits(model, "fp16")
    assert [node.op_type for node in store_in_16_bits(model, "bf16").graph.node] == ["Cast", "Mul"]


def _trace(model: PoseModel, path: Path) -> None:
    """Export by tracing, which takes a tenth of the time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (torch.zeros(2, 3, 64, 64, dtype=torch.uint8),),
            path,
            input_names=["images"],
            output_names=list(model.spec.codec.output_names),
            dynamic_axes={"images": {0: "batch"}},
            dynamo=False,
        )


def test_an_hourglass_branch_is_quantised_as_far_as_it_helps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Untrained, it is sure of nothing, and joints jump about: half of the work is given back."""
    torch.manual_seed(0)
    models = [build("hourglass-2-narrow", "coco17", (64, 64)) for _ in range(2)]
    branch = BranchedModel(models).model(1)
    _trace(branch, tmp_path / "branch.onnx")
    out = tmp_path / "new" / "small.onnx"
    source, spec = tmp_path / "branch.onnx", branch.spec
    report = compress(source, out, kind="int8", spec=spec, force=True)
    assert report.choice is not None
    in_float = sum(row.share for row in report.choice.rows if row.is_float)
    assert 0 < in_float <= 0.5
    assert report.effect.shifts[0].mean > 0.005 * 64
    assert "is written although joints move by" in caplog.text
    image = np.zeros((90, 80, 3), np.uint8)
    assert Estimator(out)(image, [[5, 5, 60, 80]]).keypoints.shape == (1, 17, 2)


def test_a_file_that_loses_too_much_is_not_written_but_reported(tmp_path: Path) -> None:
    """What the model itself finds is taken as the truth, so before the change AP is 100."""
    photos = _photos_labelled_by_the_model(tmp_path)
    out = tmp_path / "new" / "small.onnx"
    with pytest.raises(
        RefusedError, match=r"was not written: .* falls .* --force writes"
    ) as caught:
        # Not even a gain of less than one would do.
        compress(EMBEDDED, out, kind="fp16", spec=_spec(), photos=photos, max_loss=-1.0)
    assert not list(out.parent.iterdir())
    report = caught.value.report
    assert isinstance(report, Compressed)
    scores = report.effect.scores
    assert [score.part for score in scores] == PARTS
    assert [round(score.before, 3) for score in scores] == [100.0] * len(PARTS)
    assert all(score.after > 90 for score in scores)
    assert report.effect.num_crops == 3
    assert "whole       100.00 -> " in str(report)


def _photos_labelled_by_the_model(folder: Path) -> LabelledPhotos:
    boxes = json.loads((ASSETS / "demo" / "boxes.json").read_text(encoding="utf-8"))
    images, annotations = [], []
    for index, (name, (box, *_)) in enumerate(sorted(boxes.items()), start=1):
        image = read_image(ASSETS / "demo" / name)
        points = Estimator(EMBEDDED)(image, [box]).keypoints[0]
        labels = np.concatenate([points, np.full((133, 1), 2)], axis=1)
        size = (np.array(box[2:]) - box[:2]).tolist()
        h, w = image.shape[:2]
        images.append({"id": index, "file_name": name, "width": w, "height": h})
        fields = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
        rows = np.split(labels, [17, 23, 91, 112])
        person: dict[str, object] = {
            "id": index,
            "image_id": index,
            "category_id": 1,
            "iscrowd": 0,
            "num_keypoints": 17,
            "bbox": [*box[:2], *size],
            "area": 0.53 * size[0] * size[1],
            **{field: row.ravel().tolist() for field, row in zip(fields, rows, strict=True)},
            **{f"{part}_valid": True for part in ("foot", "face", "lefthand", "righthand")},
        }
        annotations.append(person)
    record = {"images": images, "annotations": annotations}
    record |= {"categories": [{"id": 1, "name": "person"}]}
    (folder / "ann.json").write_text(json.dumps(record))
    return LabelledPhotos(folder / "ann.json", ASSETS / "demo")


def test_a_published_file_without_spec_gets_one(embedded: Path, tmp_path: Path) -> None:
    """Its input is normalised floats; those are what calibration feeds it."""
    model = onnx.load(embedded)
    nodes = list(model.graph.node)[3:]  # without the cast and the normalisation
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.node[0].input[0] = "images"
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "published.onnx")
    with OnnxSession(tmp_path / "published.onnx", device="cpu") as session:
        spec = session.spec
    assert spec.mean is not None
    out = tmp_path / "small.onnx"
    report = compress(tmp_path / "published.onnx", out, kind="fp16", spec=spec)
    assert report.effect.shifts[0].mean < 0.02
    text = {entry.key: entry.value for entry in onnx.load(out).metadata_props}[METADATA_KEY]
    assert Spec.from_json(text) == spec


def test_a_network_without_layers_is_refused(tmp_path: Path) -> None:
    spec = Spec("dot-finder", "coco17", SimCC((48, 64), (1.0, 1.0)))
    onnx.save(_one_weight(np.ones(300, np.float32)), tmp_path / "one.onnx")
    with pytest.raises(ValueError, match="has no layer with weights; there is nothing to quantise"):
        compress(tmp_path / "one.onnx", tmp_path / "small.onnx", kind="int8", spec=spec)


@pytest.mark.parametrize("name", ["small.pt", "same.onnx", "."])
def test_a_name_that_cannot_be_written_is_refused_at_once(name: str, tmp_path: Path) -> None:
    source = tmp_path / "same.onnx"
    source.write_bytes(EMBEDDED.read_bytes())
    with pytest.raises(ValueError, match=r"ending in .onnx|is the model itself"):
        compress(source, tmp_path / name, kind="fp16", spec=_spec())
