"""Stable Diffusion 1.5 and XL with a ControlNet, tiny and with random weights, as folders."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

# Any: much of both has no types, and a type checker takes minutes to find that out.
diffusers: Any = import_module("diffusers")
transformers: Any = import_module("transformers")
_HIDDEN = 16
_SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def write_tiny(folder: Path, *, is_xl: bool) -> tuple[Path, Path]:
    """Write a base model and a ControlNet for it; give both folders."""
    torch.manual_seed(0)
    base, controlnet = folder / "base", folder / "controlnet"
    unet = _unet(is_xl)
    diffusers.ControlNetModel.from_unet(unet, conditioning_channels=3).save_pretrained(controlnet)
    parts: dict[str, Any] = {  # Any: as diffusers takes its parts
        "unet": unet,
        "vae": _vae(),
        "scheduler": diffusers.DDIMScheduler(
            **_SCHEDULE, clip_sample=False, set_alpha_to_one=False
        ),
        "text_encoder": transformers.CLIPTextModel(_text_config()),
        "tokenizer": _tokenizer(folder / "tokenizer"),
    }
    if is_xl:
        second = transformers.CLIPTextModelWithProjection(_text_config())
        more = {"text_encoder_2": second, "tokenizer_2": parts["tokenizer"]}
        diffusers.StableDiffusionXLPipeline(**parts, **more).save_pretrained(base)
    else:
        none = {"safety_checker": None, "feature_extractor": None}
        diffusers.StableDiffusionPipeline(
            **parts, **none, requires_safety_checker=False
        ).save_pretrained(base)
    return base, controlnet


def _unet(is_xl: bool) -> Any:  # Any: diffusers'
    xl: dict[str, Any] = {  # Any: keywords of several types
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + _HIDDEN,
        "transformer_layers_per_block": (1, 1),
        "use_linear_projection": True,
    }
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * _HIDDEN if is_xl else _HIDDEN,
        attention_head_dim=4,
        norm_num_groups=4,
        **(xl if is_xl else {}),
    )


def _vae() -> Any:  # Any: diffusers'
    """Give a VAE that makes pictures smaller by 8, as the large ones do."""
    return diffusers.AutoencoderKL(
        block_out_channels=[4, 4, 4, 4],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
    )


def _text_config() -> Any:  # Any: transformers'
    return transformers.CLIPTextConfig(
        hidden_size=_HIDDEN,
        intermediate_size=_HIDDEN,
        projection_dim=_HIDDEN,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(_vocabulary()),
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _vocabulary() -> dict[str, int]:
    """Give the letters, within a word and at its end, behind the marks for start and end."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return {word: index for index, word in enumerate(words)}


def _tokenizer(folder: Path) -> Any:  # Any: transformers'
    folder.mkdir(parents=True)
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps(_vocabulary()), encoding="utf-8")
    merges.write_text("#version: 0.2\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}), encoding="utf-8"
    )
    return transformers.CLIPTokenizer.from_pretrained(folder)
