"""The models by name."""

from collections.abc import Callable
from functools import partial

from posedistill.models.encoders import ENCODERS, encoder_deconv
from posedistill.models.hourglass import hourglass
from posedistill.models.pose_model import PoseModel
from posedistill.models.rtmpose import SIZES, Size, cspnext_heatmap, rtmpose

MODELS: dict[str, Callable[[str, Size], PoseModel]] = {
    **{f"rtmpose-{size}": partial(rtmpose, size) for size in SIZES},
    **{f"cspnext-{size}-heatmap": partial(cspnext_heatmap, size) for size in SIZES},
    **{f"hourglass-{count}": partial(hourglass, count) for count in range(1, 9)},
    **{
        f"hourglass-{count}-narrow": partial(hourglass, count, is_narrow=True)
        for count in range(1, 5)
    },
    **{f"{encoder}-deconv": partial(encoder_deconv, encoder) for encoder in ENCODERS},
}
