r"""Generate a picture of people who stand as those in a photo: posedistill, then ControlNet.

Needs the extra `generation` (diffusers), a base model and a pose ControlNet that belong together:
names on the Hugging Face hub, or local folders.

    python examples/controlnet.py photo.jpg --prompt "two astronauts on the moon" \
        --base stable-diffusion-v1-5/stable-diffusion-v1-5 \
        --controlnet lllyasviel/control_v11p_sd15_openpose --preset sd15-openpose
    python examples/controlnet.py photo.jpg --prompt "a dancer in the rain" \
        --base stabilityai/stable-diffusion-xl-base-1.0 \
        --controlnet xinsir/controlnet-openpose-sdxl-1.0 --preset sdxl-openpose-xinsir

docs/controlnet.md tells what a preset is and which there are.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoPipelineForText2Image, ControlNetModel, DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from posedistill import Pipeline, Poses
from posedistill.draw.presets import PRESETS, draw_preset
from posedistill.media import read_image, write_image


def find(photo: Path, *, model: str, detector: str) -> tuple[Poses, tuple[int, int]]:
    """Give the people in a photo, and its width and height."""
    image_rgb = read_image(photo)
    with Pipeline(model, detector=detector) as pipeline:
        poses = pipeline(image_rgb)
    if not len(poses):
        raise SystemExit(f"error: nobody was found in {photo}")
    return poses, (image_rgb.shape[1], image_rgb.shape[0])


def open_diffusion(base: str, controlnet: str, *, device: str) -> DiffusionPipeline:
    """Open a base model, of Stable Diffusion 1.5 or XL, with its ControlNet."""
    dtype = torch.float32 if device == "cpu" else torch.float16
    control = ControlNetModel.from_pretrained(controlnet, torch_dtype=dtype)
    opened = AutoPipelineForText2Image.from_pretrained(base, controlnet=control, torch_dtype=dtype)
    return opened.to(device)


def generate(
    diffusion: DiffusionPipeline,
    drawing_rgb: NDArray[np.uint8],
    *,
    prompt: str,
    steps: int = 30,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Give the picture, as large as the drawing: what is drawn is where it comes."""
    done = diffusion(
        prompt=prompt,
        image=Image.fromarray(drawing_rgb),  # RGB; diffusers makes it 0 to 1, channels first
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(seed),
    )
    return np.asarray(done.images[0])


def main(words: Sequence[str] | None = None) -> None:
    """Draw, generate, write both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("photo", type=Path)
    add("--prompt", required=True)
    add("--base", required=True, help="name or folder of Stable Diffusion 1.5 or XL")
    add("--controlnet", required=True, help="name or folder of a pose ControlNet for it")
    add("--preset", default="sd15-openpose", choices=PRESETS)
    add("--resolution", type=int, help="instead of that of the preset, in pixels")
    add("--model", default="wholebody-t", help="of posedistill: a name, or an .onnx file")
    add("--detector", default="auto", help="a name, an .onnx file, or none")
    add("--steps", type=int, default=30)
    add("--seed", type=int, default=0)
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--out", type=Path, default=Path("generated"))
    given = parser.parse_args(words)

    poses, photo_wh = find(given.photo, model=given.model, detector=given.detector)
    drawing = draw_preset(poses, photo_wh, given.preset, resolution=given.resolution)
    given.out.mkdir(parents=True, exist_ok=True)
    write_image(given.out / "control.png", drawing)
    diffusion = open_diffusion(given.base, given.controlnet, device=given.device)
    picture = generate(diffusion, drawing, prompt=given.prompt, steps=given.steps, seed=given.seed)
    write_image(given.out / "picture.png", picture)
    print(f"wrote {given.out / 'control.png'} and {given.out / 'picture.png'}")


if __name__ == "__main__":
    main()
