"""Mean: one model of the weights of several that came from one another."""

from collections.abc import Sequence
from pathlib import Path

import torch

from posedistill.models.files import load
from posedistill.models.pose_model import PoseModel


def load_mean(paths: Sequence[str | Path]) -> PoseModel:
    """Give a model whose weights are the mean of those of several.

    paths: as `posedistill.models.load` takes them; the models must have been trained on from a
    common start, or their mean knows nothing. Often it is better than each of them (Wortsman et
    al., 2022: model soups). Raises ValueError for no path and for models that differ.

    >>> load_mean(["runs/a", "runs/b"])  # doctest: +SKIP
    PoseModel(...)
    """
    if not paths:
        raise ValueError("no model to take the mean of; expected one or more")
    models = [load(path) for path in paths]
    specs = [model.spec for model in models]
    for path, spec in zip(paths, specs, strict=True):
        if spec != specs[0]:
            raise ValueError(
                f"{path} and {paths[0]} are different models ({spec} and {specs[0]}); the mean is "
                "taken of runs of one model"
            )
    states = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(value)
        for name, value in states[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]
