"""The models by name: keys, shapes, costs and outputs beside the reference's."""

import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posedistill.models import MODELS, PoseModel, build
from posedistill.models.rtmpose import simcc_codec
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD
from tests.weight_rule import GAINS, fill, seeded

Shapes = dict[str, list[int]]
INPUTS = {"256": (192, 256), "384": (288, 384)}
# Published sizes and costs: parameters of backbone and head, multiply-adds of convolutions and
# linear layers for one image.
COSTS = {
    "t256": (2_348_700, 3_171_079, 536_826_112),
    "s256": (4_378_320, 4_005_255, 893_358_080),
    "m256": (12_279_432, 5_673_607, 2_204_468_224),
    "l256": (26_138_912, 7_341_959, 4_498_952_192),
    "x256": (47_569_560, 9_010_311, 8_059_925_504),
    "l384": (26_138_912, 7_472_007, 10_027_201_536),
    "x384": (47_569_560, 9_140_359, 18_038_412_288),
}
every_published_model = pytest.mark.parametrize("key", COSTS)
every_stored_model = pytest.mark.parametrize("size", GAINS)


def _outline(key: str) -> PoseModel:
    """Build a model without memory for its weights."""
    with torch.device("meta"):
        return build(f"rtmpose-{key[0]}", input_size_wh=INPUTS[key[1:]])


def _shapes(model: nn.Module) -> Shapes:
    return {name: list(value.shape) for name, value in model.state_dict().items()}


@every_published_model
def test_keys_and_shapes_are_those_of_the_published_checkpoints(key: str, golden_dir: Path) -> None:
    wanted = json.loads(gzip.decompress((golden_dir / "state_shapes.json.gz").read_bytes()))
    assert _shapes(_outline(key)) == wanted[key]


@every_published_model
def test_keys_and_shapes_are_those_of_the_specification(key: str, shared_dir: Path) -> None:
    file = shared_dir / "spec" / "state_keys_rtmpose_wholebody.json"
    assert _shapes(_outline(key)) == json.loads(file.read_text(encoding="utf-8"))[key]


@every_published_model
def test_parameters_are_as_many_as_published(key: str) -> None:
    model = _outline(key)
    counts = [sum(p.numel() for p in part.parameters()) for part in (model.backbone, model.head)]
    assert tuple(counts) == COSTS[key][:2]


def _multiply_adds(model: PoseModel) -> int:
    counts: list[int] = []

    def count(module: nn.Module, _: object, out: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        is_conv = isinstance(module, nn.Conv2d)
        # A convolution's output has one number a channel and cell, each from one filter.
        counts.append(out.numel() * (weight[0].numel() if is_conv else weight.shape[1]))

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    w, h = model.spec.input_size_wh
    model.head(model.backbone(torch.empty(1, 3, h, w, device="meta")))
    return sum(counts)


@every_published_model
def test_multiply_adds_are_as_many_as_published(key: str) -> None:
    assert _multiply_adds(_outline(key).eval()) == COSTS[key][2]


@cache
def _logits(size: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the logits (133, bins) of the seeded model on the seeded input."""
    model = build(f"rtmpose-{size}").eval()
    fill(model, GAINS[size])
    with torch.inference_mode():
        x, y = model.head(model.backbone(seeded(0, (1, 3, 256, 192))))
    return x[0].numpy(), y[0].numpy()


def _assert_close(seen: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    # Both are float32 sums of a hundred layers: the reference is up to 6e-5 from its own float64
    # at logits up to 25, we are up to 9e-5 from the reference. A wrong layer shows at 1e-2.
    np.testing.assert_allclose(seen, wanted, rtol=1e-5, atol=1e-4)


@every_stored_model
def test_logits_equal_the_reference(size: str, golden_dir: Path) -> None:
    golden = np.load(golden_dir / "forward.npz")
    for axis, logits in zip("xy", _logits(size), strict=True):
        _assert_close(logits[::7], golden[f"{size}_logits_{axis}"])


@every_stored_model
def test_all_logits_equal_the_reference(size: str, shared_dir: Path) -> None:
    golden = np.load(shared_dir / "golden" / f"forward_{size}-256x192.npz")
    for axis, logits in zip("xy", _logits(size), strict=True):
        _assert_close(logits, golden[f"B_simcc_{axis}"])


@every_stored_model
def test_decoded_keypoints_equal_the_reference(size: str, golden_dir: Path) -> None:
    golden = np.load(golden_dir / "forward.npz")
    keypoints, scores = simcc_codec((192, 256)).decode(*_logits(size))
    # The two highest logits of every row are at least 1.1e-3 apart, more than the logits differ.
    np.testing.assert_array_equal(keypoints, golden[f"{size}_keypoints"])
    np.testing.assert_allclose(scores, golden[f"{size}_scores"], atol=1e-4)


def test_crops_are_normalised_inside_the_model() -> None:
    model = build("rtmpose-t", "coco17", (64, 64)).eval()
    fill(model, GAINS["t"])
    crops = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), np.uint8)
    mean, std = (np.array(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    x = torch.from_numpy(((crops - mean) / std).astype(np.float32))
    with torch.inference_mode():
        seen, wanted = model(torch.from_numpy(crops)), model.head(model.backbone(x))
    for a, b in zip(seen, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_called_in_its_spec_as_one_builds_it(name: str) -> None:
    with torch.device("meta"):
        spec = build(name, "coco17", (96, 128)).spec
    assert (spec.architecture, spec.skeleton, spec.input_size_wh) == (name, "coco17", (96, 128))


@pytest.mark.parametrize("name", ["rtmpose-t", "cspnext-t-heatmap"])
@pytest.mark.parametrize("size_wh", [(96, 128), (100, 132)], ids=str)
def test_outputs_have_the_shapes_that_the_codec_encodes(
    name: str, size_wh: tuple[int, int]
) -> None:
    model = build(name, "coco17", size_wh).eval()
    w, h = size_wh
    with torch.inference_mode():
        outputs = model(torch.zeros(2, 3, h, w, dtype=torch.uint8))
    *targets, _ = model.spec.codec.encode(np.zeros((2, 17, 2)), np.ones((2, 17)))
    assert [tuple(out.shape) for out in outputs] == [target.shape for target in targets]


@pytest.mark.parametrize(
    ("size_wh", "sigma_xy"), [((192, 256), (4.9, 5.66)), ((288, 384), (6.0, 6.93))], ids=str
)
def test_the_sigmas_follow_one_rule_that_gives_the_published_ones(
    size_wh: tuple[int, int], sigma_xy: tuple[float, float]
) -> None:
    assert simcc_codec(size_wh).sigma_xy == sigma_xy
    w, h = size_wh
    assert simcc_codec((w + 32, h)).sigma_xy[1] == pytest.approx(sigma_xy[1], rel=1e-3)
    assert simcc_codec((w, h + 32)).sigma_xy[0] == pytest.approx(sigma_xy[0], rel=1e-3)
