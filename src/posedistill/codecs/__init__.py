"""Codecs: keypoints to network targets and back."""

from posedistill.codecs.heatmap import Heatmap
from posedistill.codecs.simcc import SimCC

Codec = SimCC | Heatmap
CODECS: dict[str, type[SimCC] | type[Heatmap]] = {"simcc": SimCC, "heatmap": Heatmap}

__all__ = ["CODECS", "Codec", "Heatmap", "SimCC"]
