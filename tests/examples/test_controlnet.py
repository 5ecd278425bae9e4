"""The drawing reaches a ControlNet as it is: tiny diffusion pipelines with random weights."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.draw.presets import draw_preset
from posedistill.media import read_image, write_image
from posedistill.spec import Spec
from tests.examples.load import example, spots

pytest.importorskip("diffusers", reason="needs the extra generation")
pytest.importorskip("transformers", reason="needs the extra generation")
from tests.examples.tiny_diffusion import write_tiny  # noqa: E402  # after the skips

WriteModel = Callable[..., Path]
KINDS = ("sd15", "sdxl")


@pytest.fixture(scope="module", params=KINDS)
def folders(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Give a base model and its ControlNet, of both families in turn."""
    return write_tiny(tmp_path_factory.mktemp(request.param), is_xl=request.param == "sdxl")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return example("controlnet")


@pytest.fixture(scope="module")
def diffusion(script: ModuleType, folders: tuple[Path, Path]) -> Any:  # Any: diffusers'
    """Give the pipeline that the example opens."""
    opened = script.open_diffusion(*map(str, folders), device="cpu")
    opened.set_progress_bar_config(disable=True)
    return opened


def _drawing(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Give a picture that is unlike itself in all other orders of channels and sides."""
    drawing = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    drawing[5:25, 10:50] = (255, 0, 51)
    drawing[30:33, 2:9] = (0, 153, 255)
    return drawing


def _seen(script: ModuleType, diffusion: Any, drawing: NDArray[np.uint8]) -> torch.Tensor:
    """Give what reaches the first layer of the ControlNet, (N, 3, H, W)."""
    seen: list[torch.Tensor] = []
    first = diffusion.controlnet.controlnet_cond_embedding.conv_in
    hook = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    picture = script.generate(diffusion, drawing, prompt="a dancer", steps=2)
    hook.remove()
    assert picture.shape == drawing.shape
    assert picture.dtype == np.uint8
    assert all((tensor == seen[0]).all() for tensor in seen)
    return seen[0]


@pytest.mark.parametrize("size_wh", [(64, 64), (64, 128), (128, 64)], ids=str)
def test_the_drawing_reaches_the_controlnet_pixel_by_pixel_in_rgb_from_0_to_1(
    script: ModuleType, diffusion: Any, size_wh: tuple[int, int]
) -> None:
    drawing = _drawing(size_wh)
    seen = _seen(script, diffusion, drawing)
    expected = np.moveaxis(drawing, -1, 0).astype(np.float32) / 255
    for each in seen:  # with and without the prompt
        np.testing.assert_allclose(each.numpy(), expected, atol=1e-6)


def test_the_picture_follows_the_drawing(script: ModuleType, diffusion: Any) -> None:
    layers = diffusion.controlnet.controlnet_down_blocks
    for layer in layers:  # they start at zero, where a ControlNet says nothing
        torch.nn.init.normal_(layer.weight, std=0.5)
    torch.nn.init.normal_(diffusion.controlnet.controlnet_cond_embedding.conv_out.weight)
    made = [
        script.generate(diffusion, drawing, prompt="a dancer", steps=2)
        for drawing in (_drawing((64, 64)), _drawing((64, 64)), np.zeros((64, 64, 3), np.uint8))
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


def test_a_photo_becomes_a_drawing_and_a_picture_of_one_size(
    script: ModuleType,
    folders: tuple[Path, Path],
    tmp_path: Path,
    write_dot_model: WriteModel,
) -> None:
    codec = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
    model = write_dot_model(spec=Spec("dot", "wholebody133", codec, padding=1.0))
    write_image(tmp_path / "photo.png", spots())
    base, controlnet = map(str, folders)
    words = [str(tmp_path / "photo.png"), "--prompt", "a dancer", "--base", base]
    words += ["--controlnet", controlnet, "--model", str(model), "--detector", "none"]
    words += ["--preset", "sd15-openpose", "--resolution", "128", "--steps", "1"]
    script.main([*words, "--device", "cpu", "--out", str(tmp_path / "new" / "out")])
    poses, photo_wh = script.find(tmp_path / "photo.png", model=str(model), detector="none")
    assert photo_wh == (48, 64)
    drawing = read_image(tmp_path / "new" / "out" / "control.png")
    expected = draw_preset(poses, photo_wh, "sd15-openpose", resolution=128)
    np.testing.assert_array_equal(drawing, expected)
    assert drawing.any()
    picture = read_image(tmp_path / "new" / "out" / "picture.png")
    assert picture.shape == drawing.shape == (192, 128, 3)


def test_a_photo_of_nobody_is_told(script: ModuleType, tmp_path: Path) -> None:
    write_image(tmp_path / "black.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(SystemExit, match="nobody was found in .*black.png"):
        script.find(tmp_path / "black.png", model="wholebody-t", detector="auto")
