"""Effect: what a change of a model does to its size, speed, keypoints and scores."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from posedistill.evaluate.report import Report
from posedistill.evaluate.run import evaluate
from posedistill.export.calibration import Crops, LabelledPhotos
from posedistill.runtime.session import Floats, OnnxSession, Session
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

SURE = 0.3  # score from which joints are drawn
THREADS = 1
MAX_SHIFT = 0.005  # of the height of the crop: 1.3 px of 256
MIN_PERSONS = 50  # labelled for a part whose AP counts; that of fewer is chance
_BATCHES = (1, 16)
_SECONDS, _ROUNDS = 2.0, (7, 40)  # of timing: how long, and least and most rounds
_GROUP = 16  # crops in a call


class PartShift(NamedTuple):
    """Say how far the joints of a part move, in pixels of the crop, and how their scores change.

    mean, largest: over the `joints` that count. score: mean difference.
    """

    part: str
    mean: float
    largest: float
    score: float
    joints: int


class PartScore(NamedTuple):
    """Hold the AP of a part before and after, per cent; of MPII it is PCKh@0.5."""

    part: str
    before: float
    after: float
    persons: int

    @property
    def loss(self) -> float:
        """Give how much was lost; negative where something was gained."""
        return self.before - self.after


@dataclass(frozen=True)
class Effect:
    """Hold what a change does.

    Attributes:
        bytes_before, bytes_after: sizes of the files.
        speed_ratios: how many times as fast, by the number of crops in a call; of the CPU, on
            `THREADS` threads.
        shifts: ``whole`` first, then the parts of the skeleton. Joints count that the model
            before the change gives a score of `SURE`; where it is sure of none, all do.
        num_crops: that shifts were measured on. input_height: of the crops, pixels.
        scores: by part, empty without annotated photos.
    """

    bytes_before: int
    bytes_after: int
    speed_ratios: Mapping[int, float]
    shifts: tuple[PartShift, ...]
    num_crops: int
    input_height: int
    scores: tuple[PartScore, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Give all of it, as JSON takes it."""
        return asdict(self) | {
            "shifts": [shift._asdict() for shift in self.shifts],
            "scores": [score._asdict() for score in self.scores],
            "threads": THREADS,
        }

    def __str__(self) -> str:
        before, after = self.bytes_before / 1e6, self.bytes_after / 1e6
        speed = ", ".join(
            f"{ratio:.2f} ({count} crop{'s' if count > 1 else ''} a call)"
            for count, ratio in self.speed_ratios.items()
        )
        lines = [
            f"size: {before:.2f} MB -> {after:.2f} MB ({before / after:.2f} times smaller)",
            f"speed, times as fast on {THREADS} CPU thread: {speed}",
            f"shift of joints on {self.num_crops} crops, in their pixels:",
            *(f"  {_shift_line(shift)}" for shift in self.shifts),
        ]
        if self.scores:
            lines += ["score before -> after:", *(f"  {_score_line(row)}" for row in self.scores)]
        return "\n".join(lines)


def _shift_line(shift: PartShift) -> str:
    return (
        f"{shift.part.replace('_', ' '):10}  mean {shift.mean:7.3f}  max {shift.largest:7.2f}  "
        f"score {shift.score:+.4f}  joints {shift.joints}"
    )


def _score_line(row: PartScore) -> str:
    return (
        f"{row.part.replace('_', ' '):10}  {row.before:6.2f} -> {row.after:6.2f}  "
        f"({row.after - row.before:+.2f})  persons {row.persons}"
    )


def why_refused(effect: Effect, *, max_loss: float) -> str:
    """Say why a change is too bad to be kept; empty where it is not.

    max_loss: points of AP that the worst of the parts, of those with `MIN_PERSONS` and the whole,
    may lose. Without scores the mean shift may be `MAX_SHIFT` of the height of the crop.

    >>> shift = PartShift("whole", mean=9.0, largest=20.0, score=0.0, joints=17)
    >>> why_refused(Effect(2, 1, {1: 1.0}, (shift,), 8, 256), max_loss=1.0)
    'joints move by 9.00 px in the mean, more than 1.28 px (0.5 % of the height)'
    """
    if not effect.scores:
        shift, limit = effect.shifts[0].mean, MAX_SHIFT * effect.input_height
        if shift <= limit:
            return ""
        return (
            f"joints move by {shift:.2f} px in the mean, more than {limit:.2f} px "
            f"({100 * MAX_SHIFT:.1f} % of the height)"
        )
    counted = [
        row for row in effect.scores if row.persons >= MIN_PERSONS or row == effect.scores[0]
    ]
    worst = max(counted, key=lambda row: row.loss)
    if worst.loss <= max_loss:
        return ""
    return (
        f"{worst.part.replace('_', ' ')} falls from {worst.before:.2f} to {worst.after:.2f}, "
        f"by more than {max_loss:g}"
    )


def measure(  # house rule: two files, what they are, and what they are compared on
    before: Path,
    after: Path,
    *,
    crops: Crops,
    spec: Spec | None = None,
    photos: LabelledPhotos | None = None,
) -> Effect:
    """Compare an `.onnx` file with what was made of it, on the CPU.

    crops: (N, 3, h, w) uint8 RGB, that joints are compared and calls are timed on. spec: of the
    file before, where it carries none. photos: to score both on; takes as long as `evaluate` does,
    twice.

    >>> measure(Path("pose.onnx"), Path("small.onnx"), crops=crops)  # doctest: +SKIP
    """
    with _opened(before, spec) as old, _opened(after) as new:
        return Effect(
            bytes_before=before.stat().st_size,
            bytes_after=after.stat().st_size,
            speed_ratios={
                count: speed_ratio(old, new, crops=_repeated(crops, count)) for count in _BATCHES
            },
            shifts=part_shifts(outputs_of(old, crops), outputs_of(new, crops), old.spec),
            num_crops=len(crops),
            input_height=old.spec.input_size_wh[1],
            scores=() if photos is None else _part_scores(old, new, photos),
        )


def _opened(path: Path, spec: Spec | None = None) -> OnnxSession:
    return OnnxSession(path, spec=spec, threads=THREADS, device="cpu")


def _repeated(crops: Crops, count: int) -> Crops:
    return crops[np.arange(count) % len(crops)]


def outputs_of(session: Session, crops: Crops) -> tuple[Floats, ...]:
    """Give the outputs for any number of crops, a few in each call."""
    groups = [session(crops[start : start + _GROUP]) for start in range(0, len(crops), _GROUP)]
    return tuple(np.concatenate(parts) for parts in zip(*groups, strict=True))


def part_shifts(  # house rule: before, after, and what they are
    before: Sequence[Floats], after: Sequence[Floats], spec: Spec
) -> tuple[PartShift, ...]:
    """Give how far joints move from one model's outputs to another's, whole and by part.

    before, after: as `outputs_of` gives them.

    >>> from posedistill.codecs import SimCC
    >>> rows = np.eye(17, 128, dtype=np.float32)[None], np.eye(17, 128, dtype=np.float32)[None]
    >>> moved = np.roll(rows[0], 2, axis=2), rows[1]
    >>> part_shifts(rows, moved, Spec("rtmpose-n", "coco17", SimCC((64, 64), (1.0, 1.0))))[0].mean
    1.0
    """
    (points, scores), (moved, new_scores) = (spec.codec.decode(*parts) for parts in (before, after))
    distances = np.linalg.norm(points.astype(np.float64) - moved, axis=2)
    counts = scores >= SURE
    counts = counts if counts.any() else np.ones_like(counts)
    skeleton = Skeleton.get(spec.skeleton)
    parts = {"whole": np.arange(len(skeleton)), **skeleton.groups}
    rows = []
    for part, joints in parts.items():
        chosen = counts[:, joints]
        if len(parts) == 2 and part != "whole" or not chosen.any():
            continue
        far = distances[:, joints][chosen]
        change = (new_scores - scores)[:, joints][chosen]
        rows.append(
            PartShift(part, float(far.mean()), float(far.max()), float(change.mean()), len(far))
        )
    return tuple(rows)


def speed_ratio(before: Session, after: Session, *, crops: Crops) -> float:
    """Give how many times as fast another model is, by calls in turns: the median of the ratios."""
    for session in (before, after):
        session(crops)
    start = time.perf_counter()
    before(crops)
    once = 2 * max(time.perf_counter() - start, 1e-6)
    rounds = int(np.clip(_SECONDS / once, *_ROUNDS))
    return statistics.median(_round(before, after, crops) for _ in range(rounds))


def _round(before: Session, after: Session, crops: Crops) -> float:
    times = [time.perf_counter()]
    for session in (before, after):
        session(crops)
        times.append(time.perf_counter())
    return (times[1] - times[0]) / (times[2] - times[1])


def _part_scores(before: Session, after: Session, photos: LabelledPhotos) -> tuple[PartScore, ...]:
    reports = [
        evaluate(session, annotations=photos.annotations, images_dir=photos.images_dir, out=None)
        for session in (before, after)
    ]
    return compared(*reports)


def compared(before: Report, after: Report) -> tuple[PartScore, ...]:
    """Give the AP of each part in two reports, the whole first; of MPII its main score.

    >>> reports = (Report({"body/AP": 60.0}, {"body": 9}, parts=("body",)) for _ in range(2))
    >>> compared(*reports)
    (PartScore(part='body', before=60.0, after=60.0, persons=9),)
    """
    names = sorted(before.parts, key=lambda part: part != "whole")
    rows = []
    for part in names:
        key = f"{part}/AP" if f"{part}/AP" in before.scores else part
        if key in before.scores:
            persons = before.num_persons.get(part, 0)
            rows.append(PartScore(part, before.scores[key], after.scores[key], persons))
    return tuple(rows)
