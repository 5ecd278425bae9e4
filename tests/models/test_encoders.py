"""Light encoders: sizes and names of the published ones, and their stages."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from posedistill.models import build, load_backbone
from posedistill.models.encoders import ENCODERS
from posedistill.models.mobilenet import InvertedResidual
from posedistill.models.resnet import BasicBlock
from posedistill.models.shufflenet import ShuffleBlock
from posedistill.models.stage_row import StageRow
from posedistill.models.staged import Flow, StagedBackbone, run_stages, stages_of
from tests.weight_rule import fill, seeded

every_encoder = pytest.mark.parametrize("name", ENCODERS)
# Without the classifier: numbers, and tensors of parameters.
SIZES = {
    "resnet18": (11_176_512, 60),
    "mobilenetv2": (2_223_872, 156),
    "shufflenetv2": (1_253_604, 168),
}
# Some of the parameters of torchvision's models, at least one of each kind of layer.
PUBLISHED = {
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.bias": (64,),
        "layer1.0.conv1.weight": (64, 64, 3, 3),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.bias": (128,),
        "layer3.1.conv2.weight": (256, 256, 3, 3),
        "layer4.0.conv1.weight": (512, 256, 3, 3),
        "layer4.1.bn2.weight": (512,),
    },
    "mobilenetv2": {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.0.1.weight": (32,),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.1.conv.2.bias": (16,),
        "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.3.conv.1.0.weight": (144, 1, 3, 3),
        "features.4.conv.2.weight": (32, 144, 1, 1),
        "features.7.conv.2.weight": (64, 192, 1, 1),
        "features.11.conv.2.weight": (96, 384, 1, 1),
        "features.14.conv.2.weight": (160, 576, 1, 1),
        "features.17.conv.2.weight": (320, 960, 1, 1),
        "features.17.conv.3.bias": (320,),
        "features.18.0.weight": (1280, 320, 1, 1),
        "features.18.1.bias": (1280,),
    },
    "shufflenetv2": {
        "conv1.0.weight": (24, 3, 3, 3),
        "conv1.1.bias": (24,),
        "stage2.0.branch1.0.weight": (24, 1, 3, 3),
        "stage2.0.branch1.2.weight": (58, 24, 1, 1),
        "stage2.0.branch1.3.bias": (58,),
        "stage2.0.branch2.0.weight": (58, 24, 1, 1),
        "stage2.3.branch2.6.bias": (58,),
        "stage3.0.branch2.3.weight": (116, 1, 3, 3),
        "stage3.7.branch2.5.weight": (116, 116, 1, 1),
        "stage4.0.branch1.2.weight": (232, 232, 1, 1),
        "stage4.3.branch2.4.weight": (232,),
        "conv5.0.weight": (1024, 464, 1, 1),
        "conv5.1.bias": (1024,),
    },
}


def _outline(name: str) -> StageRow:
    with torch.device("meta"):
        return ENCODERS[name]()


@every_encoder
def test_parameters_are_as_many_as_those_of_the_published_encoder(name: str) -> None:
    sizes = [parameter.numel() for parameter in _outline(name).parameters()]
    assert (sum(sizes), len(sizes)) == SIZES[name]


@every_encoder
def test_parameters_have_the_names_and_shapes_of_the_published_ones(name: str) -> None:
    shapes = {key: tuple(value.shape) for key, value in _outline(name).named_parameters()}
    assert {key: shapes.get(key) for key in PUBLISHED[name]} == PUBLISHED[name]


@every_encoder
def test_its_stages_in_turn_give_its_maps(name: str) -> None:
    encoder = ENCODERS[name]().eval()
    assert isinstance(encoder, StagedBackbone)
    stages = stages_of(encoder)
    with torch.inference_mode():
        x = seeded(0, (1, 3, 32, 64))
        features = run_stages(encoder, stages, Flow(x)).features
        maps = encoder(x)
    assert all(torch.equal(a, b) for a, b in zip(features[1:], maps, strict=True))
    assert [feature.shape[1] for feature in maps] == list(encoder.channels)
    assert maps[-1].shape[2:] == (1, 2)
    assert encoder.default_shared == len(stages)
    assert not any(encoder.early_output(stage, x) for stage in stages)


@every_encoder
def test_its_stages_hold_all_of_its_weights(name: str) -> None:
    encoder = _outline(name)
    in_stages = [weight for stage in stages_of(encoder) for weight in stage.parameters()]
    assert list(map(id, in_stages)) == list(map(id, encoder.parameters()))


@every_encoder
def test_no_stage_changes_the_map_of_the_one_before(name: str) -> None:
    encoder = ENCODERS[name]().eval()
    fill(encoder, 1.5)
    flow = Flow(seeded(1, (1, 3, 64, 64)))
    copies: list[Tensor] = []
    with torch.inference_mode():
        for stage in stages_of(encoder):
            flow = encoder.through(stage, flow)
            copies.append(flow.x.clone())
    assert all(torch.equal(a, b) for a, b in zip(flow.features, copies, strict=True))


def _classifier(name: str) -> dict[str, Tensor]:
    owner = {"mobilenetv2": "classifier.1"}.get(name, "fc")
    return {f"{owner}.weight": torch.zeros(10, 4), f"{owner}.bias": torch.zeros(10)}


@every_encoder
def test_a_checkpoint_of_a_classifier_starts_the_encoder(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = ENCODERS[name]()
    fill(source, 1.5)
    torch.save(source.state_dict() | _classifier(name), tmp_path / "classes.pth")
    model = build(f"{name}-deconv", "coco17", (64, 64))
    with caplog.at_level("INFO"):
        load_backbone(model.backbone, tmp_path / "classes.pth")
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, source.state_dict()[key]), key
    assert all(key in caplog.text for key in _classifier(name))


def test_a_checkpoint_from_before_batches_were_counted_is_taken(tmp_path: Path) -> None:
    source = ENCODERS["resnet18"]().state_dict()
    old = {key: value for key, value in source.items() if "num_batches" not in key}
    torch.save(old, tmp_path / "old.pth")
    encoder = ENCODERS["resnet18"]()
    load_backbone(encoder, tmp_path / "old.pth")
    assert torch.equal(encoder.state_dict()["conv1.weight"], source["conv1.weight"])


@pytest.mark.parametrize("change", ["lacks", "adds"])
def test_all_but_the_classifier_of_a_checkpoint_must_fit(change: str, tmp_path: Path) -> None:
    state = ENCODERS["resnet18"]().state_dict()
    if change == "lacks":
        del state["layer4.1.conv2.weight"]
    else:
        state["layer5.0.conv1.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"(?s)does not fit.*layer[45]\.\d\.conv"):
        load_backbone(ENCODERS["resnet18"](), tmp_path / "other.pth")


def test_a_shuffle_block_interleaves_what_passed_by_with_what_was_convolved() -> None:
    block = ShuffleBlock(6, 6, stride=1).eval()
    fill(block, 1.5)
    x = seeded(2, (2, 6, 5, 4))
    with torch.inference_mode():
        out, convolved = block(x), block.branch2(x[:, 3:])
    assert torch.equal(out[:, 0::2], x[:, :3])
    assert torch.equal(out[:, 1::2], convolved)


@pytest.mark.parametrize(
    ("inputs", "stride", "adds"), [(4, 1, True), (6, 1, False), (4, 2, False)], ids=str
)
def test_an_inverted_residual_adds_its_input_where_shapes_agree(
    inputs: int, stride: int, adds: bool
) -> None:
    block = InvertedResidual(inputs, 4, expansion=6, stride=stride).eval()
    last = block.conv[-1]
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)
    x = seeded(3, (1, inputs, 6, 6))
    with torch.inference_mode():
        out = block(x)
    torch.testing.assert_close(out, x if adds else torch.zeros_like(out))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_basic_block_is_two_convolutions_with_a_shortcut(stride: int) -> None:
    block = BasicBlock(4, 4 * stride, stride=stride).eval()
    fill(block, 1.5)
    x = seeded(4, (1, 4, 6, 6))
    with torch.inference_mode():
        shortcut = block.downsample(x) if stride > 1 else x
        inner = torch.relu(block.bn1(block.conv1(x)))
        wanted = torch.relu(block.bn2(block.conv2(inner)) + shortcut)
        torch.testing.assert_close(block(x), wanted)


def test_sizes_that_no_map_of_stride_32_fits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(100, 256\); expected multiples of 32.*\(96, 256\)"):
        build("resnet18-deconv", "coco17", (100, 256))
