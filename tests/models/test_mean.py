"""The mean of models: of their weights, and of nothing that does not belong together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.models import build, load, load_mean, save

SIZE_WH = (64, 64)


def _saved(path: Path, seed: int, name: str = "rtmpose-n") -> Path:
    torch.manual_seed(seed)
    save(build(name, "coco17", SIZE_WH), path)
    return path


def test_each_weight_is_the_mean_of_those_of_the_models(tmp_path: Path) -> None:
    files = [_saved(tmp_path / f"{seed}.safetensors", seed) for seed in range(3)]
    rows = [load(file).state_dict() for file in files]
    for name, value in load_mean(files).state_dict().items():
        expected = np.mean([row[name].numpy() for row in rows], axis=0)
        np.testing.assert_allclose(value.numpy(), expected, atol=1e-6, err_msg=name)


def test_the_mean_of_one_model_is_that_model(tmp_path: Path) -> None:
    file = _saved(tmp_path / "a.safetensors", 0)
    torch.testing.assert_close(dict(load_mean([file]).state_dict()), dict(load(file).state_dict()))


def test_models_of_different_kinds_have_no_mean(tmp_path: Path) -> None:
    files = [
        _saved(tmp_path / "a.safetensors", 0),
        _saved(tmp_path / "b.safetensors", 0, "cspnext-n-heatmap"),
    ]
    with pytest.raises(ValueError, match="are different models"):
        load_mean(files)


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no model"):
        load_mean([])
