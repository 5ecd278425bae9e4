"""Converting published checkpoints: the model that comes out is the model that went in."""

import gzip
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from posedistill.models import PoseModel, build, load, save
from posedistill.models.convert import Weights, convert, fitting_model, plain_weights
from posedistill.zoo import find
from tests.weight_rule import fill

SMALL_WH = (64, 96)
SIZES_WH = {"256": (192, 256), "384": (288, 384)}


def _model(name: str, skeleton: str, size_wh: tuple[int, int]) -> PoseModel:
    model = build(name, skeleton, size_wh)
    fill(model, 1.6)
    return model.eval()


def _outputs(model: PoseModel) -> tuple[Tensor, ...]:
    w, h = model.spec.input_size_wh
    crops = torch.arange(2 * 3 * h * w, dtype=torch.int32).remainder(251).to(torch.uint8)
    with torch.inference_mode():
        return model(crops.view(2, 3, h, w))  # type: ignore[no-any-return]  # nn.Module's call


def _are_equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def _other(state: Mapping[str, Tensor]) -> Weights:
    """Give weights of the same shapes that are certainly others."""
    return {key: value + 1 for key, value in state.items()}


def _under(prefix: str, state: Mapping[str, Tensor]) -> Weights:
    return {prefix + key: value for key, value in state.items()}


def _part(state: Mapping[str, Tensor], owner: str) -> Weights:
    return {key: value for key, value in state.items() if key.startswith(f"{owner}.")}


@pytest.fixture(scope="module")
def small() -> PoseModel:
    return _model("rtmpose-t", "coco17", SMALL_WH)


@pytest.fixture(scope="module")
def state(small: PoseModel) -> Weights:
    return dict(small.state_dict())


def _align(students: int, teachers: int) -> Weights:
    prefix = "distill_losses.loss_fea.align"
    return {
        f"{prefix}.weight": torch.zeros(teachers, students, 1, 1),
        f"{prefix}.bias": torch.zeros(teachers),
    }


def _stage_one(state: Weights, *, aligned: bool) -> Weights:
    """Give a distiller whose larger teacher has other weights."""
    teacher = build("rtmpose-s", "coco17", SMALL_WH).state_dict()
    weights = _under("teacher.", teacher) | _under("student.", state)
    return weights | (_align(384, 512) if aligned else {})


def _stage_two(state: Weights) -> Weights:
    """Give a distiller whose teacher has the backbone, and whose student the head."""
    other = _other(state)
    return _under("teacher.", _part(state, "backbone") | _part(other, "head")) | _under(
        "student.", _part(other, "backbone") | _part(state, "head")
    )


def _old_names(state: Weights) -> Weights:
    return {key.replace("head.", "keypoint_head."): value for key, value in state.items()}


def _parameters(state: Weights) -> OrderedDict[str, Tensor]:
    floats = {k: torch.nn.Parameter(v) for k, v in state.items() if v.is_floating_point()}
    return OrderedDict({**state, **floats})


def _with_averages(state: Weights) -> dict[str, object]:
    raw = {"steps": torch.tensor(3), **_under("module.", _other(state))}
    return {"meta": {"epoch": 270}, "state_dict": state, "ema_state_dict": raw}


FORMS: dict[str, tuple[Callable[[Weights], object], str]] = {
    "state_dict alone": (lambda s: {"meta": {}, "state_dict": s}, "state_dict"),
    "bare": (lambda s: s, "the mapping of tensors"),
    "parameters": (lambda s: {"state_dict": _parameters(s)}, "state_dict"),
    "module.": (lambda s: {"state_dict": _under("module.", s)}, "state_dict"),
    "keypoint_head.": (lambda s: {"state_dict": _old_names(s)}, "state_dict"),
    "averages": (_with_averages, "state_dict (the averaged weights; ema_state_dict has the raw"),
    "stage one, align": (
        lambda s: {"state_dict": _stage_one(s, aligned=True)},
        "the student of stage one (it has distill_losses weights)",
    ),
    "stage one, shapes": (
        lambda s: {"state_dict": _stage_one(s, aligned=False)},
        "the student of stage one (the backbones of teacher and student differ)",
    ),
    "stage one, student": (
        lambda s: {"state_dict": _under("student.", s)},
        "the student of stage one (it has no teacher)",
    ),
    "stage two": (
        lambda s: {"state_dict": _stage_two(s)},
        "the teacher's backbone and the student's head of stage two (teacher and student have like",
    ),
    "stage two, old": (
        lambda s: {"state_dict": _under("module.", _stage_two_of_old_names(s))},
        "the teacher's backbone and the student's head of stage two",
    ),
}


def _stage_two_of_old_names(state: Weights) -> Weights:
    return {key.replace(".head.", ".keypoint_head."): v for key, v in _stage_two(state).items()}


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "older"])
@pytest.mark.parametrize("form", FORMS)
def test_every_published_form_gives_the_same_model(
    form: str, is_zip: bool, small: PoseModel, tmp_path: Path
) -> None:
    arrange, words = FORMS[form]
    path, out = tmp_path / "model.pth", tmp_path / "new" / "folder" / "model.safetensors"
    checkpoint = arrange(dict(small.state_dict()))
    torch.save(checkpoint, path, _use_new_zipfile_serialization=is_zip)
    converted = convert(path, out)
    loaded = load(out)
    assert _are_equal(loaded.state_dict(), small.state_dict())
    assert loaded.spec == converted.spec == small.spec
    assert words in converted.taken
    assert [file.name for file in out.parent.iterdir()] == ["model.safetensors"]


MODELS = {
    "t, whole body": ("rtmpose-t", "wholebody133", (192, 256)),
    "s, whole body": ("rtmpose-s", "wholebody133", (192, 256)),
    "l, whole body, 384x288": ("rtmpose-l", "wholebody133", (288, 384)),
    "t, body": ("rtmpose-t", "coco17", (192, 256)),
    "s, hand": ("rtmpose-s", "hand21", (256, 256)),
}


@pytest.mark.parametrize("key", MODELS)
def test_a_converted_model_gives_the_same_outputs(key: str, tmp_path: Path) -> None:
    model = _model(*MODELS[key])
    path, out = tmp_path / "model.pth", tmp_path / "model.safetensors"
    torch.save({"state_dict": model.state_dict()}, path, _use_new_zipfile_serialization=False)
    converted = convert(path, out, licence="CC0", data_card="none")
    loaded = load(out)
    assert loaded.spec == replace(model.spec, licence="CC0", data_card="none")
    assert all(torch.equal(a, b) for a, b in zip(_outputs(loaded), _outputs(model), strict=True))
    assert converted.num_parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("key", ["t256", "s256", "m256", "l256", "l384", "x256", "x384"])
def test_models_are_told_from_the_shapes_of_the_reference(key: str, golden_dir: Path) -> None:
    shapes = json.loads(gzip.decompress((golden_dir / "state_shapes.json.gz").read_bytes()))[key]
    model = fitting_model({name: torch.zeros(shape) for name, shape in shapes.items()})
    assert model.spec.architecture == f"rtmpose-{key[0]}"
    assert model.spec.skeleton == "wholebody133"
    assert model.spec.input_size_wh == SIZES_WH[key[1:]]
    assert not model.training


@pytest.fixture
def mmengine(monkeypatch: pytest.MonkeyPatch) -> type:
    """Stand for mmengine, in name only, while a checkpoint is written."""
    name = "mmengine.logging.history_buffer"
    module = ModuleType(name)
    history = type("HistoryBuffer", (), {"__module__": name})
    module.HistoryBuffer = history  # type: ignore[attr-defined]
    for part in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, part, ModuleType(part))
    monkeypatch.setitem(sys.modules, name, module)
    return history


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "older"])
def test_a_whole_training_checkpoint_is_converted(
    mmengine: type, is_zip: bool, small: PoseModel, tmp_path: Path
) -> None:
    trained = build("rtmpose-t", "coco17", SMALL_WH)
    trained.load_state_dict(small.state_dict())
    optimizer = torch.optim.AdamW(trained.parameters(), 4e-3)
    history = mmengine()
    history.log = np.arange(5.0)
    checkpoint = {
        **_with_averages(_stage_one(dict(trained.state_dict()), aligned=True)),
        "optimizer": optimizer.state_dict(),
        "message_hub": {"log_scalars": OrderedDict(loss=history), "resumed_keys": {"loss": True}},
        "meta": {"dataset_meta": {"sigmas": np.ones(17), "best": np.float64(0.6)}, "seed": 1},
        "param_schedulers": [{"last_step": 3, "base_values": [4e-3]}],
    }
    path, out = tmp_path / "epoch_270.pth", tmp_path / "model.safetensors"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=is_zip)
    converted = convert(path, out)
    assert _are_equal(load(out).state_dict(), small.state_dict())
    assert str(converted).startswith("rtmpose-t, coco17, input 64x96, 3.")
    assert "from epoch_270.pth: state_dict (the averaged weights" in str(converted)
    assert "stage one" in str(converted)
    assert "17 joints read as coco17" in str(converted)


def test_the_stage_that_is_asked_for_is_taken(state: Weights) -> None:
    distiller = {"state_dict": _stage_two(state)}
    student, taken = plain_weights(distiller, stage="one")
    assert _are_equal(student, _part(_other(state), "backbone") | _part(state, "head"))
    assert taken == "state_dict, the student of stage one (as asked)"
    mixed, taken = plain_weights({"state_dict": _stage_one(state, aligned=True)}, stage="two")
    assert mixed["backbone.stage4.0.conv.weight"].shape[0] == 512
    assert _are_equal(_part(mixed, "head"), _part(state, "head"))
    assert taken.endswith("head of stage two (as asked)")


def test_a_mix_of_two_sizes_is_refused(state: Weights) -> None:
    mixed, _ = plain_weights({"state_dict": _stage_one(state, aligned=True)}, stage="two")
    with pytest.raises(
        ValueError, match=r"1 of another shape: head\.final_layer\.weight \(17, 384"
    ):
        fitting_model(mixed)


@pytest.mark.parametrize(
    ("checkpoint", "stage", "words"),
    [
        ({"state_dict": {"backbone.a": torch.ones(1)}}, "three", "stage 'three' is unknown"),
        ({"state_dict": {"backbone.a": torch.ones(1)}}, "two", "no distiller, or was converted"),
        ({"student.head.a": torch.ones(1)}, "two", r"none are teacher\.backbone\."),
        ({"distill_losses.a": torch.ones(1)}, None, r"none are student\."),
        ([torch.ones(1)], None, "is a list"),
        ({}, None, "holds no weights"),
        ({"state_dict": {}}, None, "holds no weights"),
        ({"state_dict": 3}, None, "holds no weights"),
        ({"model": {}, "epoch": 3}, None, "there is no state_dict, but model, epoch"),
        ({"state_dict": {"a": 1}}, None, "no mapping of tensors found: in state_dict a"),
        (
            {"head.a": torch.ones(1), "keypoint_head.a": torch.zeros(1)},
            None,
            "an old and a new name",
        ),
    ],
)
def test_checkpoints_without_plain_weights_are_refused(
    checkpoint: object, stage: str | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        plain_weights(checkpoint, stage=stage)


def _widened(state: Weights, key: str, rows: int) -> Weights:
    return state | {key: torch.zeros(rows, *state[key].shape[1:])}


LAST = "backbone.stage4.0.conv.weight"
MISFITS: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "missing": (
        lambda s: {k: v for k, v in s.items() if not k.endswith("bn.bias")},
        r"\d+ missing: backbone\.stem\.0\.bn\.bias, .* and \d+ more",
    ),
    "unexpected": (
        lambda s: s | {"head.extra": torch.ones(1)},
        r"nothing was loaded\. 1 unexpected: head\.extra$",
    ),
    "misshaped": (
        lambda s: _widened(s, "backbone.stem.0.conv.weight", 16),
        r"1 of another shape: backbone\.stem\.0\.conv\.weight \(16, 3, 3, 3\) instead of \(12, 3",
    ),
    "channels": (lambda s: _widened(s, LAST, 400), r"400 channels; known are .*384 \(rtmpose-t\)"),
    "joints": (
        lambda s: _widened(s, "head.final_layer.weight", 26),
        r"26 joints; known are 17 \(coco17\), 21 \(hand21\), 133 \(wholebody133\)",
    ),
    "input size": (
        lambda s: _widened(s, "head.cls_x.weight", 256),
        r"rtmpose-t at 128x96, but do not fit it.*head\.mlp\.1\.weight",
    ),
    "odd bins": (lambda s: _widened(s, "head.cls_x.weight", 129), r"cls_x\.weight \(129, 256\)"),
    "one bin": (lambda s: _widened(s, "head.cls_x.weight", 1), "positive size"),
    "scalar": (lambda s: s | {LAST: torch.tensor(1)}, "what is read are RTMPose weights"),
    "neck": (lambda s: s | {"neck.a": torch.ones(1)}, "are of backbone, head, neck; what is read"),
    "no head": (lambda s: _part(s, "backbone"), "the weights are of backbone; what is read"),
    "classifier": (
        lambda s: _part(s, "backbone") | {"head.fc.weight": torch.ones(1000, 384)},
        r"no head\.final_layer\.weight among head\.fc; what is read are RTMPose",
    ),
    "other backbone": (
        lambda s: {"backbone.layer1.0.conv1.weight": torch.ones(1)} | _part(s, "head"),
        r"no backbone\.stage4\.0\.conv\.weight among backbone\.layer1; what is read",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_weights_that_do_not_fit_are_refused_in_words(
    name: str, state: Weights, tmp_path: Path
) -> None:
    change, words = MISFITS[name]
    path, out = tmp_path / "model.pth", tmp_path / "model.safetensors"
    torch.save({"state_dict": change(dict(state))}, path)
    with pytest.raises(ValueError, match=rf"model\.pth: .*{words}"):
        convert(path, out)
    assert not out.exists()


@pytest.mark.parametrize(("skeleton", "joints"), [("wholebody133", 133), ("hand21", 21)])
def test_the_skeleton_is_told_from_the_joints(skeleton: str, joints: int) -> None:
    model = build("rtmpose-n", skeleton, SMALL_WH)
    assert len(model.state_dict()["head.final_layer.bias"]) == joints
    assert fitting_model(model.state_dict()).spec.skeleton == skeleton


def test_a_malicious_checkpoint_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(ValueError, match=r"wants to build os\.system; only tensors"):
        convert(path, tmp_path / "model.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["model.pth"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth does not exist"):
        convert(tmp_path / "nothing.pth", tmp_path / "model.safetensors")


def test_a_name_of_another_kind_is_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.pth would be a model file; .*\.safetensors"):
        convert(tmp_path / "nothing.pth", tmp_path / "model.pth")


def test_the_checkpoint_itself_is_never_replaced(small: PoseModel, tmp_path: Path) -> None:
    path, out = tmp_path / "model.pth", tmp_path / "model.safetensors"
    torch.save(small.state_dict(), path)
    out.symlink_to(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is the checkpoint itself"):
        convert(path, out)
    assert path.read_bytes() == before


def test_an_older_model_file_is_replaced_only_by_a_good_one(
    small: PoseModel, tmp_path: Path
) -> None:
    path, out = tmp_path / "model.pth", tmp_path / "model.safetensors"
    save(build("rtmpose-n", "coco17", SMALL_WH), out)
    torch.save({"state_dict": {"a": torch.ones(1)}}, path)
    with pytest.raises(ValueError, match="the weights are of a;"):
        convert(path, out)
    assert load(out).spec.architecture == "rtmpose-n"
    torch.save(small.state_dict(), path)
    convert(path, out)
    assert load(out).spec.architecture == "rtmpose-t"


def test_a_file_of_a_published_name_gets_the_card_of_that(tmp_path: Path) -> None:
    entry = find("dwpose-t")
    published, other = tmp_path / entry.files[0].file_name, tmp_path / "own.pth"
    for file in (published, other):
        torch.save(build("rtmpose-t").state_dict(), file)
    spec = convert(published, tmp_path / "a.safetensors").spec
    assert (spec.licence, spec.data_card) == (entry.licence, entry.data_card)
    assert convert(published, tmp_path / "b.safetensors", licence="mine").spec.licence == "mine"
    assert convert(other, tmp_path / "c.safetensors").spec.licence == ""
