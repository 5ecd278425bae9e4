"""Drawing of `Poses`: over the photo, and as control pictures."""

from posedistill.draw.controlnet import controlnet

__all__ = ["controlnet"]
