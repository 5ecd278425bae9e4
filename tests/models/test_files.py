"""Model files: what is saved is what is loaded, and what is no model is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from posedistill.models import PoseModel, build, load, load_backbone, save
from posedistill.spec import METADATA_KEY
from tests.weight_rule import fill

SIZE_WH = (64, 96)


def _model(name: str = "rtmpose-t", prefix: str = "") -> PoseModel:
    model = build(name, "coco17", SIZE_WH)
    fill(model, 1.6, prefix=prefix)
    return model


def _are_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return _model().eval()


@pytest.fixture
def file(model: PoseModel, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save(model, path)
    return path


def test_a_loaded_model_is_bit_identical_and_in_eval_mode(model: PoseModel, file: Path) -> None:
    loaded = load(file)
    assert _are_equal(loaded.state_dict(), model.state_dict())
    assert not any(module.training for module in loaded.modules())
    assert loaded.spec == model.spec


def test_a_loaded_model_gives_the_same_outputs(model: PoseModel, file: Path) -> None:
    crops = torch.arange(3 * 96 * 64, dtype=torch.int32).remainder(251).to(torch.uint8)
    crops = crops.view(1, 3, 96, 64)
    with torch.inference_mode():
        outputs = zip(load(str(file))(crops), model(crops), strict=True)
        assert all(torch.equal(a, b) for a, b in outputs)


def test_cards_in_the_spec_survive_the_file(model: PoseModel, tmp_path: Path) -> None:
    carded = _model()
    carded.spec = replace(model.spec, licence="CC0", data_card="drawn people", padding=1.1)
    save(carded, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").spec == carded.spec


def test_memory_layout_does_not_matter_to_the_file(model: PoseModel, tmp_path: Path) -> None:
    path = tmp_path / "channels_last.safetensors"
    rearranged = _model()
    for parameter in rearranged.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    save(rearranged, path)
    assert _are_equal(load(path).state_dict(), model.state_dict())


def test_saving_replaces_the_file_and_leaves_nothing_beside(file: Path) -> None:
    other = _model(prefix="other.")
    save(other, file)
    assert _are_equal(load(file).state_dict(), other.state_dict())
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_run_folder_loads_its_best_model(model: PoseModel, tmp_path: Path) -> None:
    save(model, tmp_path / "best.safetensors")
    assert _are_equal(load(tmp_path).state_dict(), model.state_dict())


def test_a_run_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no best\.safetensors"):
        load(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors does not exist"):
        load(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("content", [b"", b"this is text, not weights"], ids=["empty", "text"])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"text\.safetensors is no \.safetensors file"):
        load(path)


def test_a_truncated_file_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="damaged"):
        load(file)


def test_weights_without_a_spec_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"bare\.safetensors carries no posedistill spec"):
        load(path)


def test_weights_that_do_not_fit_their_spec_are_refused(model: PoseModel, tmp_path: Path) -> None:
    state = {k: v.contiguous() for k, v in model.state_dict().items() if "cls_x" not in k}
    path = tmp_path / "partial.safetensors"
    save_file(state, path, metadata={METADATA_KEY: model.spec.to_json()})
    with pytest.raises(ValueError, match=r"(?s)does not fit rtmpose-t.*head\.cls_x\.weight"):
        load(path)


def test_an_unknown_model_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match="unknown model 'rtmpse-m'; did you mean 'rtmpose-m'"):
        build("rtmpse-m")


def test_an_unknown_skeleton_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown skeleton 'coco18'"):
        build("rtmpose-t", "coco18")


def test_a_backbone_starts_another_kind_of_model_of_its_size(tmp_path: Path) -> None:
    pretrained, started = _model("cspnext-t-heatmap"), _model(prefix="other.")
    head = {key: value.clone() for key, value in started.head.state_dict().items()}
    save(pretrained, tmp_path / "best.safetensors")
    load_backbone(started.backbone, tmp_path)
    assert _are_equal(started.backbone.state_dict(), pretrained.backbone.state_dict())
    assert _are_equal(started.head.state_dict(), head)


def test_a_backbone_of_another_size_is_refused_whole(file: Path) -> None:
    larger = build("rtmpose-s", "coco17", SIZE_WH)
    before = {key: value.clone() for key, value in larger.backbone.state_dict().items()}
    with pytest.raises(ValueError, match=r"\(rtmpose-t\) does not fit"):
        load_backbone(larger.backbone, file)
    assert _are_equal(larger.backbone.state_dict(), before)


def test_a_backbone_starts_from_a_published_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = build("cspnext-t-heatmap", "coco17")
    torch.save({"meta": {}, "state_dict": source.state_dict()}, tmp_path / "cspnext.pth")
    model = build("rtmpose-t")
    load_backbone(model.backbone, tmp_path / "cspnext.pth")
    for name, value in source.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value), name
    with pytest.raises(ValueError, match="backbone of .* does not fit"):
        load_backbone(build("rtmpose-s").backbone, tmp_path / "cspnext.pth")
