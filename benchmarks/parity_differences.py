"""Effects of what posedistill does otherwise than paper or released code, in figures.

Each line stands as it is printed in docs/differences.md, which says what it is about.
"""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.parity_networks import (
    golden_batch,
    golden_logits,
    golden_stage_one,
    golden_stage_two,
    golden_targets,
    golden_teacher,
    num_moved,
    running_means,
)
from benchmarks.parity_photos import golden_poses, predict_people, seeded_model
from benchmarks.parity_rows import (
    HEATMAP_SIZES,
    HEATMAPS,
    SIMCC,
    golden_maps,
    metric_numbers,
    mpii_scores,
    wholebody_scores,
)
from benchmarks.parity_table import GOLDEN, ROOT, arrays, gap
from posedistill import Estimator
from posedistill.codecs import Heatmap
from posedistill.crop import affine_matrix, box_matrices, box_to_center_scale, fix_aspect, warp
from posedistill.draw.controlnet import controlnet
from posedistill.losses import feature_mse, simcc_kl
from posedistill.media import read_image
from posedistill.models import build
from posedistill.objectives.dwpose import PAPER_ALPHA, StageOneConfig
from posedistill.objectives.supervised import SupervisedConfig, keypoint_loss
from posedistill.poses import Poses
from posedistill.recipes.dwpose import stage_two
from posedistill.skeleton import Skeleton
from posedistill.teachers import Frozen
from posedistill.train.optim import learning_rate
from tests.random_batch import random_batch

_DEMO = ROOT / "src" / "posedistill" / "assets" / "demo"
_WHOLE = Skeleton.get("wholebody133")
Image = NDArray[np.uint8]


def all_differences(photos: Path | None) -> Iterator[str]:
    """Give the lines of all effects."""
    return chain(same_everywhere(), of_this_machine(photos))


def same_everywhere() -> Iterator[str]:
    """Give the lines that are the same with every version of what posedistill runs on."""
    yield from _stage_one()
    yield from _stage_two()
    yield from _losses()
    yield from _decoding()
    yield from _metrics()
    yield from _pictures()


def of_this_machine(photos: Path | None) -> Iterator[str]:
    """Give the lines that depend on the version of OpenCV, or on photos beside the project."""
    yield from _crops()
    if photos is None:
        yield "colour order: not run: needs the photos"
    else:
        wanted, _ = golden_poses(photos, flip_test=False)
        seen, _ = predict_people(Estimator(seeded_model()), photos, swaps_colours=True)
        num_stay = int((np.abs(seen - wanted).max(axis=-1) < 0.05).sum())
        yield f"colour order: with BGR input {num_stay} of {wanted[..., 0].size} keypoints stay"


def _stage_one() -> Iterator[str]:
    """Take the first step of the golden stage one in three ways."""
    teacher = golden_teacher(batch_statistics=False).model
    objective = golden_stage_one(Frozen(teacher)).train()
    batch = golden_batch(objective.model)
    ours = {name: loss.item() for name, loss in objective(batch, 0.0).items()}
    objective.config = StageOneConfig(alpha=PAPER_ALPHA)
    paper = objective(batch, 0.0)["feature"].item()
    objective.config = StageOneConfig()
    before = running_means(teacher)
    objective.teacher = Frozen(teacher, batch_statistics=True)
    released = {name: loss.item() for name, loss in objective(batch, 0.0).items()}
    yield (
        f"alpha: first feature loss {ours['feature']:.4g} at 7e-5 (released, default), "
        f"{paper:.4g} at 5e-5 (paper)"
    )
    for name in ("feature", "logit"):
        yield (
            f"teacher BatchNorm: first {name} loss {ours[name]:.4g} (default), "
            f"{released[name]:.4g} (released)"
        )
    yield (
        f"teacher BatchNorm: none (default), {num_moved(before, teacher)} (released) of the "
        f"teacher's {len(before)} running means move in a step"
    )
    saved_here, held = list(objective.state_dict().values()), list(teacher.state_dict().values())
    millions = [sum(map(torch.numel, saved)) / 1e6 for saved in (saved_here, saved_here + held)]
    yield (
        f"checkpoint of stage one: {len(saved_here)} entries, {millions[0]:.1f} million numbers "
        f"(here), {len(saved_here + held)}, {millions[1]:.1f} (released, l teaches s)"
    )


def _stage_two() -> Iterator[str]:
    """Take the first step of the golden stage two in both ways; compare the schedules."""
    losses, moved, count = [], [], 0
    for batch_statistics in (False, True):
        objective = golden_stage_two(batch_statistics=batch_statistics).train()
        before = running_means(objective.teacher.model)
        losses.append(objective(golden_batch(objective.teacher.model), 0.0)["logit"].item())
        moved.append(num_moved(before, objective.deployable()))
        count = len(before)
    yield f"stage two: first loss {losses[0]:.4g} (default), {losses[1]:.4g} (released)"
    yield (
        f"stage two: {moved[0]} (default), {moved[1]} (released) of the {count} running means "
        "that are deployed move in a step"
    )
    ours, released = stage_two("t"), stage_two("t", "reference")
    total = 100 * ours.epochs
    rates = [learning_rate(total - 1, total, config=run.optim) for run in (ours, released)]
    yield (
        f"stage two: learning rate of the last of {total} steps {rates[0]:.4g} (default), "
        f"{rates[1]:.4g} (released)"
    )
    yield (
        f"stage two: late augmentation in {ours.late_epochs} (default), "
        f"{released.late_epochs} (released) of {ours.epochs} epochs"
    )


def _losses() -> Iterator[str]:
    """Compare how losses depend on people, input size and epoch."""
    x, y = (logits.detach() for logits in golden_logits((401, 402)))
    target_x, target_y, weights = golden_targets()
    with torch.device("meta"):
        model = build("rtmpose-t")
    sums, means = [], []
    for times in (1, 2):
        logits = (torch.cat([x] * times), torch.cat([y] * times))
        targets = (torch.cat([target_x] * times), torch.cat([target_y] * times))
        labels = torch.cat([weights] * times)
        batch = random_batch(model, len(labels))._replace(targets=targets, weights=labels)
        sums.append(simcc_kl(*logits, *targets, labels).item())
        means.append(
            keypoint_loss(logits, batch, codec=model.spec.codec, config=SupervisedConfig()).item()
        )
    yield (
        f"supervised loss: 3 people {sums[0]:.4g}, the same people twice {sums[1]:.4g} "
        f"(released); {means[0]:.4g} and {means[1]:.4g} (default)"
    )
    small, large = (
        feature_mse(torch.zeros(1, 8, *cells), torch.ones(1, 8, *cells)).item()
        for cells in ((8, 6), (12, 9))
    )
    yield f"feature loss: weighs {large / small:.3g} times as much at 288x384 as at 192x256"
    text = (GOLDEN / "distill.json").read_text(encoding="utf-8")
    golden = json.loads(text)["stage_one"]
    fading, epochs = golden["student_eval"]["feature"], golden["epochs"]
    yield (
        f"decay: factor of the last of {epochs} epochs {1 - (epochs - 1) / epochs:.4g} (paper, "
        f"default), {fading[str(epochs - 1)] / fading['0']:.4g} (released)"
    )


def _decoding() -> Iterator[str]:
    """Compare how network outputs become keypoints."""
    codec, permutation = SIMCC["256"], _WHOLE.flip_permutation
    points = np.random.RandomState(0).randint(5, 180, (133, 2)).astype(np.float64)
    x, y, _ = codec.encode(points[permutation] * (-1, 1) + (191, 0), np.ones(133))
    shift_x, shift_y = (codec.decode(*codec.flip_back((x, y), permutation))[0] - points).mean(0)
    yield f"flip test, SimCC: a point comes back {shift_x:g} px to the right and {shift_y:g} below"
    at = []
    for grid in ("udp_reference", "udp"):
        udp = Heatmap((192, 256), window=True, refine="dark_udp", grid=grid)
        maps, _ = udp.encode(np.array([[150.0, 100.0]]), np.ones(1))
        at.append(udp.decode(maps)[0][0, 0])
    yield f"UDP heatmaps: pixel 150 of 192 decodes to {at[0]:.2f} (reference), {at[1]:.2f} (udp)"
    golden, num_nan, num_ours, count = arrays("heatmap.npz"), 0, 0, 0
    for size, size_wh in HEATMAP_SIZES.items():
        for kind in ("clean", "noisy"):
            wanted = golden[f"{size}_udp_{kind}_keypoints"]
            maps = golden_maps(golden, f"{size}_udp", kind=kind)
            found = HEATMAPS["udp"](size_wh).decode(maps)[0]
            num_nan += int(np.isnan(wanted).any(axis=1).sum())
            num_ours += int(np.isnan(found).any(axis=1).sum())
            count += len(wanted)
    yield f"UDP heatmaps: NaN for {num_nan} (reference), {num_ours} (here) of {count} golden maps"
    logits = arrays("forward.npz")
    peaks = np.stack([logits[f"s_logits_{axis}"].max(-1) for axis in "xy"])
    above = float((peaks.mean(0) - peaks.min(0)).mean())
    yield (
        f"keypoint score: {peaks.min(0).mean():.2f} (reference, here), {above:.2f} more (rtmlib), "
        f"mean of {peaks.shape[1]} golden keypoints"
    )
    session = build("rtmpose-n", "coco17", (48, 64)).eval().session()
    num_poses = len(Estimator(session)(np.zeros((64, 64, 3), np.uint8), []))
    yield f"no boxes: {num_poses} poses (here), 1 of the whole image (annotator of DWPose)"


def _metrics() -> Iterator[str]:
    """Compare what metrics report."""
    golden, mode = metric_numbers(), "nms=oks_nms|score=bbox_keypoint"
    shares = {part: 100 * values["AP"] for part, values in wholebody_scores(mode).items()}
    named = ", ".join(f"{part.replace('_', ' ')} {share:.1f}" for part, share in shares.items())
    yield f"AP of the golden detections: {named}"
    parts = {
        name: [
            value["AP"]
            for value in golden[f"coco4_wholebody|nms={name}|score=bbox_keypoint"]["parts"].values()
        ]
        for name in ("none", "soft_oks_nms", "oks_nms")
    }
    soft, hard = (100 * gap(parts[name], parts["none"]) for name in ("soft_oks_nms", "oks_nms"))
    yield f"suppression: AP moves by {soft:g} with soft_oks_nms, by up to {hard:.1f} with oks_nms"
    ours, next_entry = mpii_scores(0.5)["mean@0.1"], mpii_scores(0.11)["mean"]
    rounding = abs(ours - golden["mpii|thr=0.5"]["PCK@0.1"])
    yield f"PCKh@0.1: {ours:.4f} (here), {next_entry:.4f} (reference of OKDHP)"
    yield f"PCKh@0.1: rounding in the reference of MMPose {rounding:.1e}"


def _pictures() -> Iterator[str]:
    keypoints, scores = np.zeros((1, 133, 2), np.float32), np.zeros((1, 133), np.float32)
    feet = _WHOLE.groups["foot"]
    keypoints[0, feet, 0], keypoints[0, feet, 1] = 40.0 * np.arange(1, 7), 50.0
    scores[0, feet] = 1
    boxes = np.zeros((1, 4), np.float32)
    poses = Poses(keypoints, scores, boxes, np.ones(1, np.float32), _WHOLE)
    num_pixels = int(controlnet(poses, (300, 100)).any(axis=-1).sum())
    yield f"ControlNet: {num_pixels} pixels are drawn of six feet points (reference, here)"


def _crops() -> Iterator[str]:
    """Crop the bundled photos in other ways."""
    plain, mirrored = [], []
    size_wh = (192, 256)
    for name, boxes in json.loads((_DEMO / "boxes.json").read_text(encoding="utf-8")).items():
        image = read_image(_DEMO / name)
        for box in np.array(boxes, np.float32):
            (matrix,) = box_matrices(box[None], size_wh)
            other = cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR)
            plain.append(np.abs(warp(image, matrix, size_wh).astype(int) - other))
            mirrored.append(_mirrored_gap(image, box, size_wh))
    everything = np.stack(plain)
    share = 100 * (everything > 0).mean()
    yield (
        f"crops: cv2.warpAffine of OpenCV {cv2.__version__} is up to {everything.max()} grey "
        f"levels away, {share:.0f} % of the values differ"
    )
    yield f"augmentation: a flip within the matrix is up to {max(mirrored)} grey levels away"


def _mirrored_gap(image: Image, box: NDArray[np.float32], size_wh: tuple[int, int]) -> int:
    """Compare mirroring within the matrix, as here, with mirroring image and box before it."""
    center, scale = box_to_center_scale(box)
    scale = fix_aspect(scale, size_wh)
    matrix = affine_matrix(center, scale, size_wh, rotation=30)
    ours = np.array([[-1.0], [1.0]]) * matrix + np.array([[0, 0, size_wh[0]], [0, 0, 0]])
    center = np.array([image.shape[1] - 1 - center[0], center[1]])
    theirs = affine_matrix(center, scale, size_wh, rotation=-30)
    flipped = np.ascontiguousarray(image[:, ::-1])
    gaps = warp(image, ours, size_wh).astype(int) - warp(flipped, theirs, size_wh)
    return int(np.abs(gaps).max())
