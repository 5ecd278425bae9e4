"""posedistill: whole-body pose from small, fast models, and the making of them by distillation."""

from posedistill.poses import Poses
from posedistill.runtime.estimator import Estimator
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.video_stages import VideoSettings
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

__version__ = "0.1.0"
__all__ = [
    "Estimator",
    "Pipeline",
    "Poses",
    "Skeleton",
    "Spec",
    "VideoSettings",
    "__version__",
]
