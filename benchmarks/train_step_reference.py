"""The reference's model and loss for `train_step.py`, where MMPose 1.3 is installed; not tried.

Names and values: the published configurations of RTMPose on COCO-WholeBody.
"""

from collections.abc import Callable
from typing import Any  # what MMPose gives has no types

import torch
from torch import Tensor, nn

from posedistill.codecs import SimCC
from posedistill.models import build
from posedistill.objectives.objective import Batch
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD


def reference_config(model: str, size_wh: tuple[int, int]) -> dict[str, Any]:  # Any: as MMEngine
    """Give the model part of the published RTMPose configurations, 133 keypoints."""
    deepen, widen = {"t": (0.167, 0.375), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0)}[
        model.removeprefix("rtmpose-")
    ]
    codec = build(model, "wholebody133", size_wh).spec.codec
    assert isinstance(codec, SimCC)
    decoder = {
        "type": "SimCCLabel",
        "input_size": size_wh,
        "sigma": codec.sigma_xy,
        "simcc_split_ratio": codec.split_ratio,
        "normalize": False,
        "use_dark": False,
    }
    attention = {
        "hidden_dims": 256,
        "s": 128,
        "expansion_factor": 2,
        "dropout_rate": 0.0,
        "drop_path": 0.0,
        "act_fn": "SiLU",
        "use_rel_bias": False,
        "pos_enc": False,
    }
    loss = {"use_target_weight": True, "beta": 10.0, "label_softmax": True}
    return {
        "type": "TopdownPoseEstimator",
        "backbone": {
            "type": "mmdet.CSPNeXt",
            "arch": "P5",
            "expand_ratio": 0.5,
            "deepen_factor": deepen,
            "widen_factor": widen,
            "out_indices": (4,),
            "channel_attention": True,
            "norm_cfg": {"type": "BN"},
            "act_cfg": {"type": "SiLU"},
        },
        "head": {
            "type": "RTMCCHead",
            "in_channels": int(1024 * widen),
            "out_channels": 133,
            "input_size": size_wh,
            "in_featuremap_size": (size_wh[0] // 32, size_wh[1] // 32),
            "simcc_split_ratio": codec.split_ratio,
            "final_layer_kernel_size": 7,
            "gau_cfg": attention,
            "loss": {"type": "KLDiscretLoss", **loss},
            "decoder": decoder,
        },
    }


def reference(
    model: str, size_wh: tuple[int, int], *, batch: Batch
) -> tuple[nn.Module, Callable[[], Tensor]]:
    """Build MMPose's model, and give it with its loss on the batch, float32 (not tried)."""
    from mmengine.structures import InstanceData  # type: ignore[import-not-found]
    from mmpose.registry import MODELS  # type: ignore[import-not-found]
    from mmpose.structures import PoseDataSample  # type: ignore[import-not-found]
    from mmpose.utils import register_all_modules  # type: ignore[import-not-found]

    register_all_modules()
    network: Any = MODELS.build(reference_config(model, size_wh)).train()
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in (IMAGENET_MEAN, IMAGENET_STD))
    images = (batch.images - mean) / std
    samples = []
    for x, y, weights in zip(*batch.targets, batch.weights, strict=True):
        labels = InstanceData()
        labels.keypoint_x_labels, labels.keypoint_y_labels = x[None], y[None]
        labels.keypoint_weights = weights[None]
        sample = PoseDataSample()
        sample.gt_instance_labels = labels
        samples.append(sample)

    def loss() -> Tensor:
        losses: dict[str, Tensor] = network.loss(images, samples)
        return torch.stack([part for name, part in losses.items() if "loss" in name]).sum()

    return network, loss
