"""Parity of what needs no network: codecs, crops, metrics, pictures."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.parity_table import GOLDEN, Row, arrays, gap, num_unequal
from posedistill.codecs import Heatmap, SimCC
from posedistill.crop import (
    box_matrices,
    box_to_center_scale,
    fix_aspect,
    invert_affine,
    transform_points,
)
from posedistill.draw.controlnet import controlnet
from posedistill.evaluate.oks import PARTS, evaluate_coco17, evaluate_wholebody, oks
from posedistill.evaluate.pckh import COLUMNS, pckh
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

Floats = NDArray[np.float32]
SIMCC = {"256": SimCC((192, 256), (4.9, 5.66)), "384": SimCC((288, 384), (6.0, 6.93))}
HEATMAPS: dict[str, Callable[[tuple[int, int]], Heatmap]] = {
    "msra": partial(Heatmap, center="rounded", window=True),
    "unbiased": partial(Heatmap, refine="dark"),
    "udp": partial(Heatmap, window=True, refine="dark_udp", grid="udp_reference"),
}
HEATMAP_SIZES = {"48x64": (192, 256), "64x64": (256, 256)}
_CROP_SIZES = ((192, 256), (288, 384))
_CROP_KEYS = ("bbox_xyxy", "center", "scale", "warp")
_POINT_KEYS = ("kpts_img", "kpts_input", "pred_input", "pred_image")
_STATISTICS = {  # name of the golden numbers by ours; -1 there is a missing key here
    "AP": "AP",
    "AP50": "AP .5",
    "AP75": "AP .75",
    "APM": "AP (M)",
    "APL": "AP (L)",
    "AR": "AR",
    "AR50": "AR .5",
    "AR75": "AR .75",
    "ARM": "AR (M)",
    "ARL": "AR (L)",
}
_ANNOTATIONS = GOLDEN / "metrics_annotations.json"
_Nms = Literal["oks", "none"]
_Score = Literal["box_keypoint", "box"]
_MODES: dict[str, tuple[_Nms, _Score]] = {
    "nms=none|score=bbox_keypoint": ("none", "box_keypoint"),
    "nms=none|score=bbox": ("none", "box"),
    "nms=oks_nms|score=bbox_keypoint": ("oks", "box_keypoint"),
    "nms=soft_oks_nms|score=bbox_keypoint": ("none", "box_keypoint"),  # there without effect
}


def simcc_rows() -> Iterator[Row]:
    """Compare SimCC labels, weights and decoding, at both published input sizes."""
    golden = arrays("simcc.npz")
    labels, weights, points, scores, rows = [], [], [], [], 0
    for size, codec in SIMCC.items():
        for index in (0, 1):
            key = f"simcc{size}_set{index}"
            x, y, weight = codec.encode(golden[f"{key}_kpts"], golden[f"{key}_vis"])
            chosen = golden[f"{key}_sel"].astype(int)
            rows += len(chosen)
            labels += [gap(x[chosen], golden[f"{key}_x"]), gap(y[chosen], golden[f"{key}_y"])]
            weights.append(num_unequal(weight, golden[f"{key}_weights"]))
        found, score = codec.decode(*seeded_logits(codec))
        points.append(num_unequal(found, golden[f"simcc{size}_dec_kpts"]))
        scores.append(gap(score, golden[f"simcc{size}_dec_scores"]))
    yield Row("SimCC labels", f"{rows} keypoints, both axes", max(labels), 1e-6)
    yield Row("SimCC weights", "532 keypoints", sum(weights), unit="differ")
    yield Row("SimCC decoded points (argmax)", "532 keypoints", sum(points), unit="differ")
    yield Row("SimCC decoded scores", "532 keypoints", max(scores), 1e-6)


def seeded_logits(codec: SimCC) -> tuple[Floats, Floats]:
    """Give the logits that the reference decoded: noise, with a lost, a flat and a tied row."""
    state = np.random.RandomState(200)
    x = state.standard_normal((2, 133, codec.bins_xy[0])).astype(np.float32)
    y = state.standard_normal((2, 133, codec.bins_xy[1])).astype(np.float32)
    x[0, 0] -= 100
    x[0, 1] = y[0, 1] = 0
    x[1, 2, 50] = x[1, 2, 60] = 9
    return x, y


def heatmap_rows() -> Iterator[Row]:
    """Compare heatmaps, weights and decoding: MSRA, unbiased (DARK) and UDP, two sizes each."""
    golden = arrays("heatmap.npz")
    for variant, make in HEATMAPS.items():
        maps, weights, points, scores, num_points = [], [], [], [], 0
        for size, size_wh in HEATMAP_SIZES.items():
            codec, key = make(size_wh), f"{size}_{variant}"
            encoded, weight = codec.encode(golden[f"{size}_keypoints"], golden[f"{size}_visible"])
            maps.append(gap(encoded[golden["selected"]], golden[f"{key}_maps"]))
            weights.append(num_unequal(weight, golden[f"{key}_weights"]))
            for kind in ("clean", "noisy"):
                keypoints, score = codec.decode(golden_maps(golden, key, kind=kind))
                wanted = golden[f"{key}_{kind}_keypoints"]
                known = np.isfinite(wanted).all(axis=1)  # without signal, UDP gives NaN there
                num_points += int(known.sum())
                points.append(gap(keypoints[known], wanted[known]))
                scores.append(gap(score, golden[f"{key}_{kind}_scores"]))
        limit = 0.0 if variant == "msra" else 1e-3  # quarter cells are exact
        yield Row(f"heatmaps {variant}", "26 maps", max(maps), 1e-6)
        yield Row(f"heatmaps {variant}: weights", "34 keypoints", sum(weights), unit="differ")
        yield Row(
            f"heatmaps {variant}: decoded points", f"{num_points} maps", max(points), limit, "px"
        )
        yield Row(f"heatmaps {variant}: decoded scores", "52 maps", max(scores), 0.0)


def golden_maps(golden: dict[str, Floats], key: str, *, kind: str) -> Floats:
    """Give the maps that the reference decoded: as encoded, or with noise added."""
    maps = golden[f"{key}_maps"]
    if kind == "clean":
        return maps
    noise = np.random.RandomState(301).standard_normal((17, *maps.shape[1:])).astype(np.float32)
    return np.asarray(maps + 0.05 * noise[golden["selected"].astype(int)], np.float32)


def crop_rows() -> Iterator[Row]:
    """Compare boxes, matrices and points there and back, 12 people at two input sizes."""
    golden = arrays("crop.npz")
    boxes, matrices, inside, back = [], [], [], []
    for size_wh in _CROP_SIZES:
        wanted = {k: golden[f"{size_wh[0]}x{size_wh[1]}_{k}"] for k in _CROP_KEYS + _POINT_KEYS}
        center, scale = box_to_center_scale(wanted["bbox_xyxy"])
        boxes.append(gap(center, wanted["center"]))
        boxes.append(gap(fix_aspect(scale, size_wh), wanted["scale"]))
        matrix = box_matrices(wanted["bbox_xyxy"], size_wh)
        matrices.append(gap(matrix, wanted["warp"]))
        inside.append(gap(transform_points(wanted["kpts_img"], matrix), wanted["kpts_input"]))
        returned = transform_points(wanted["pred_input"], invert_affine(matrix))
        back.append(gap(returned, wanted["pred_image"]))
    yield Row("crops: centres and sizes", "24 boxes", max(boxes), 1e-4, "px")
    yield Row("crops: matrices", "24 boxes", max(matrices), 1e-5)
    yield Row("crops: points into the input", "168 keypoints", max(inside), 1e-3, "px")
    yield Row("crops: points back to the image", "168 keypoints", max(back), 1e-3, "px")


def metric_rows() -> Iterator[Row]:
    """Compare COCO-WholeBody AP and AR of all parts, COCO AP, OKS and PCKh."""
    golden = metric_numbers()
    found = {mode: wholebody_scores(mode) for mode in _MODES}
    for part in PARTS:
        key = "keypoints_" + ("wholebody" if part == "whole" else part.replace("_", ""))
        gaps = [
            _statistics_gap(found[mode][part], golden[f"coco4_wholebody|{mode}"]["parts"][key])
            for mode in _MODES
        ]
        yield Row(f"AP and AR {part}", f"{len(_MODES)} modes x 10", max(gaps), 1e-6)
    gaps = []
    for mode, (nms, score) in _MODES.items():
        body = evaluate_coco17(_ANNOTATIONS, detections("body"), nms=nms, score=score)
        gaps.append(_statistics_gap(body, golden[f"coco4_body|{mode}"]["parts"]["keypoints"]))
    yield Row("AP and AR COCO 17 keypoints", f"{len(_MODES)} modes x 10", max(gaps), 1e-6)
    similarity = golden["oks_first6_vs_all"]
    yield Row("OKS", f"{np.size(similarity)} pairs", gap(_similarity(), similarity), 1e-5)
    names = {name: f"{name.capitalize()} PCK" for name in COLUMNS}
    names |= {"mean": "PCK", "mean@0.1": "PCK@0.1"}
    gaps = []
    for threshold in (0.5, 0.3):
        wanted, shares = golden[f"mpii|thr={threshold}"], mpii_scores(threshold)
        gaps.append(gap([shares[key] for key in names], [wanted[key] for key in names.values()]))
    yield Row("PCKh MPII, per cent", f"2 thresholds x {len(names)}", max(gaps), 1e-6)


def metric_numbers() -> dict[str, Any]:  # Any: JSON values
    """Give the numbers that the reference's metrics gave, by set and mode."""
    content: dict[str, Any] = json.loads((GOLDEN / "metrics.json").read_text(encoding="utf-8"))
    return content


def wholebody_scores(mode: str) -> dict[str, dict[str, float]]:
    """Score the golden detections as a mode of the reference."""
    nms, score = _MODES[mode]
    return evaluate_wholebody(_ANNOTATIONS, detections("wholebody"), nms=nms, score=score)


def detections(kind: str) -> list[SimpleNamespace]:
    """Give the golden detections, ``wholebody`` or ``body``."""
    golden = arrays(f"metrics_detections_{kind}.npz")
    return [
        SimpleNamespace(
            image_id=int(golden["img_id"][index]),
            keypoints=golden["keypoints"][index],
            keypoint_scores=golden["keypoint_scores"][index],
            box_score=float(golden["bbox_scores"][index]),
            box_scale_wh=golden["bbox_scales"][index],
        )
        for index in range(len(golden["id"]))
    ]


def mpii_scores(threshold: float) -> dict[str, float]:
    """Score the golden MPII people; their labels count pixels from 1, the predictions from 0."""
    golden = arrays("metrics_mpii.npz")
    return pckh(
        golden["gt"],
        golden["pred"] + 1,
        visible=golden["vis"],
        head_sizes=golden["head"],
        threshold=threshold,
    )


def _statistics_gap(found: dict[str, float], wanted: dict[str, float]) -> float:
    seen = [found.get(ours, -1.0) for ours in _STATISTICS]
    return gap(seen, [wanted[theirs] for theirs in _STATISTICS.values()])


def _similarity() -> NDArray[np.float64]:
    golden = arrays("metrics_detections_wholebody.npz")
    areas = golden["bbox_scales"].astype(np.float64).prod(axis=1)
    pairs = (areas[:6, None] + areas) / 2
    keypoints, sigmas = golden["keypoints"], Skeleton.get("wholebody133").sigmas
    return oks(keypoints[:6], keypoints, areas=pairs, sigmas=sigmas)


def picture_rows() -> Iterator[Row]:
    """Compare ControlNet pictures of the five people of a photo, part by part."""
    golden = arrays("controlnet.npz")
    keypoints, scores = golden["keypoints_197388"], golden["scores_197388"]
    boxes, ones = np.zeros((len(keypoints), 4), np.float32), np.ones(len(keypoints), np.float32)
    poses = Poses(keypoints, scores, boxes, ones, Skeleton.get("wholebody133"))
    for part in ("body", "hand", "face", "all"):
        # The file holds the RGB array as if it were BGR, so OpenCV reads back the array itself.
        wanted = cv2.imread(str(GOLDEN / f"draw_controlnet_{part}_197388.png"))
        assert wanted is not None
        drawn = controlnet(
            poses,
            (wanted.shape[1], wanted.shape[0]),
            body=part in ("body", "all"),
            hands=part in ("hand", "all"),
            face=part in ("face", "all"),
        )
        share = 100 * float((drawn != wanted).any(axis=-1).mean())
        yield Row(f"ControlNet {part}: pixels", f"{drawn[..., 0].size} pixels", share, 0.5, "%")
