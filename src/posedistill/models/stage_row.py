"""Stage row: a backbone whose stages run one after the other."""

from torch import Tensor, nn

from posedistill.models.staged import Flow, run_stages


class StageRow(nn.Module):
    """Give the map of every stage; each takes what the one before it gave.

    stage_names: attribute paths of the stages that a subclass makes, the stem first. A kind of
    network in which more than that runs from stage to stage has its own `through`.

    >>> import torch
    >>> row = StageRow(("stem", "pool"))
    >>> row.stem, row.pool = nn.Conv2d(3, 8, 1), nn.MaxPool2d(2)
    >>> [tuple(feature.shape) for feature in row(torch.zeros(1, 3, 4, 4))]
    [(1, 8, 2, 2)]
    """

    channels: tuple[int, ...]
    aggregate_at: int = -1

    def __init__(self, stage_names: tuple[str, ...]) -> None:
        super().__init__()
        self.stage_names = stage_names
        self.default_shared = len(stage_names)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (B, 3, H, W) to the maps of all stages but the stem."""
        stages = [self.get_submodule(name) for name in self.stage_names]
        return run_stages(self, stages, Flow(x)).features[1:]

    @staticmethod
    def through(stage: nn.Module, flow: Flow) -> Flow:
        """Run one stage, on the map of the one before it."""
        y = stage(flow.x)
        return Flow(y, (*flow.features, y))

    @staticmethod
    def early_output(stage: nn.Module, feature: Tensor) -> tuple[Tensor, ...] | None:
        """Give None: no stage predicts by itself."""
        return None
