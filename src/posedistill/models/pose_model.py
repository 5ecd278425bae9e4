"""PoseModel: backbone, head and spec; what is trained, saved, exported and deployed."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from posedistill.media import write_whole
from posedistill.models.staged import StagedBackbone, early_outputs, stages_of
from posedistill.models.torch_session import TorchSession
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, METADATA_KEY, Spec


class PoseModel(nn.Module):
    """Map uint8 RGB crops to the outputs that the spec's codec decodes.

    `model.head(model.backbone(x))` does the same from a normalised float batch.
    """

    mean: Tensor
    std: Tensor

    def __init__(  # house rule: in the order of the data
        self, backbone: nn.Module, head: nn.Module, spec: Spec
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.spec = spec
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map uint8 RGB crops (B, 3, h, w) to the backbone's maps, those the head takes."""
        out: tuple[Tensor, ...] = self.backbone(normalise(images, self.mean, self.std))
        return out

    def early_outputs(self, features: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
        """Give what stages of the backbone predict by themselves, each in the codec's order.

        features: as `features` gives them. Labels train these too (intermediate supervision;
        Newell et al., ECCV 2016); most backbones have none.
        """
        if not isinstance(self.backbone, StagedBackbone):
            return []
        return early_outputs(self.backbone, stages_of(self.backbone)[1:], features)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map uint8 RGB crops (B, 3, h, w) to the codec's outputs, in its order."""
        out: tuple[Tensor, ...] = self.head(self.features(images))
        return out

    def session(self) -> TorchSession:
        """Give the model as a runtime session, for `Estimator` and evaluation."""
        return TorchSession(self, self.spec)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:  # house rule: as written
    """Give (images - mean) / std in the type of the statistics.

    >>> float(normalise(torch.tensor([4], dtype=torch.uint8), torch.ones(1), torch.ones(1)))
    3.0
    """
    return (images.to(mean.dtype) - mean) / std


def save(model: PoseModel, path: Path) -> None:
    """Write weights and spec to a `.safetensors` file, whole or not at all.

    Raises OSError where it cannot be written.
    """
    state = {key: value.detach().contiguous().cpu() for key, value in model.state_dict().items()}
    data = serialise(state, metadata={METADATA_KEY: model.spec.to_json()})
    write_whole(path, data)


def read_weights(path: Path) -> tuple[dict[str, Tensor], Spec]:
    """Read the weights by name and the spec of a `.safetensors` file.

    Raises FileNotFoundError, or ValueError when the file is damaged or has no spec.
    """
    if not path.is_file():
        raise FileNotFoundError(f"model file {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is no .safetensors file, or a damaged one: {error}") from error
    if METADATA_KEY not in metadata:
        raise ValueError(
            f"{path} carries no posedistill spec; save it with posedistill.models.save"
        )
    return state, Spec.from_json(metadata[METADATA_KEY])
