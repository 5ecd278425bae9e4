"""Fitted teachers: one or several as a student of another size, grid or skeleton hears them."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from posedistill.codecs import Heatmap, SimCC
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec
from posedistill.teachers.marginals import Marginals
from posedistill.teachers.resample import check_aspect, positions_xy, resize, sample_at
from posedistill.teachers.teacher import Answer, Teacher


class Joined:
    """Teach by the mean of several teachers' logits; features they give none.

    Logits, not probabilities, are averaged, as when the outputs of an image and of its mirror
    image are: the training targets of SimCC and of heatmaps have peaks of height 1, so that the
    logits of all teachers are on one scale, the mean of agreeing peaks stays one peak as high, and
    a teacher that is not sure, its row flat, moves the others little. The mean of probabilities
    would be wider than each of them wherever two teachers differ a little.

    The first says size, codec and skeleton; each teaches the joints that its own skeleton names,
    and a joint is averaged over those that do. Raises ValueError where `Fitted` does.

    >>> from posedistill.models import build
    >>> from posedistill.teachers.frozen import Frozen
    >>> members = [Frozen(build(name, "coco17", (48, 64))) for name in ("rtmpose-t", "rtmpose-n")]
    >>> [tuple(row.shape) for row in Joined(members).answer(torch.zeros(1, 3, 64, 48)).logits]
    [(1, 17, 96), (1, 17, 128)]
    """

    channels: None = None

    def __init__(self, members: Sequence[Teacher]) -> None:
        self.members = tuple(members)
        self._fitted = Fitted(self, self.spec)

    @property
    def spec(self) -> Spec:
        """Give the spec of the first."""
        return self.members[0].spec

    @property
    def fingerprint(self) -> str:
        """Give a digest of those of all members."""
        text = "+".join(member.fingerprint for member in self.members)
        return hashlib.sha256(text.encode()).hexdigest()

    def answer(self, images: Tensor) -> Answer:
        """Answer crops of the first member's size."""
        return self._fitted.answer(images)


class Fitted:
    """Let a teacher answer a student's crops, on the student's bins or cells.

    Crops are resized where the input sizes differ, logits interpolated linearly where the grids
    do, and joints matched by name. A heatmap teacher tells a SimCC student the `Marginals` of its
    maps. Features are kept of a single teacher of the same input size.

    Attributes:
        joints: (M,) indices of the student's joints that the logits (B, M, ...) speak of; None
            where they speak of all.
        channels: of the last feature map; None where there are no features for the student.

    Raises ValueError when a SimCC teacher is to teach heatmaps, sizes differ in aspect by more than
    a twentieth, or no joint is shared.

    >>> from posedistill.models import build
    >>> from posedistill.teachers.frozen import Frozen
    >>> teacher = Frozen(build("rtmpose-t", "coco17", (96, 128)))
    >>> student = build("rtmpose-n", "wholebody133", (48, 64))
    >>> fitted = Fitted(teacher, student.spec)
    >>> [tuple(rows.shape) for rows in fitted.answer(torch.zeros(1, 3, 64, 48)).logits]
    [(1, 17, 96), (1, 17, 128)]
    >>> fitted.joints.tolist() == list(range(17))
    True
    """

    def __init__(self, teacher: Teacher, spec: Spec) -> None:
        self.teacher, self.spec = teacher, spec
        members = teacher.members if isinstance(teacher, Joined) else (teacher,)
        self._voices = [_Voice(member, spec) for member in members]
        counts = torch.zeros(len(Skeleton.get(spec.skeleton)))
        for voice in self._voices:
            counts[voice.taught] += 1
        self._counts = counts[counts > 0]
        self.joints = None if bool(counts.all()) else counts.nonzero().flatten()
        is_same_size = teacher.spec.input_size_wh == spec.input_size_wh
        self.channels = teacher.channels if is_same_size else None

    @property
    def fingerprint(self) -> str:
        """Give a digest of the teacher and of what the student hears of it."""
        text = f"{self.teacher.fingerprint} {self.spec.skeleton} {self.spec.codec}"
        return hashlib.sha256(text.encode()).hexdigest()

    @torch.no_grad()
    def answer(self, images: Tensor) -> Answer:
        """Answer uint8 RGB crops (B, 3, h, w) of the student's size."""
        if len(self._voices) == 1:
            answer = self._voices[0].answer(images)
            return answer if self.channels is not None else Answer(answer.logits, None)
        heard = [
            [self._spread(part, voice.taught) for part in voice.answer(images).logits]
            for voice in self._voices
        ]
        totals = (torch.stack(parts).sum(dim=0) for parts in zip(*heard, strict=True))
        return Answer(tuple(map(self._mean, totals)), None)

    def _spread(self, logits: Tensor, taught: Tensor) -> Tensor:
        """Put the joints of (B, M, ...) in their places among all of the student's."""
        num_joints = len(Skeleton.get(self.spec.skeleton))
        everywhere = logits.new_zeros(len(logits), num_joints, *logits.shape[2:])
        return everywhere.index_copy_(1, taught.to(logits.device), logits)

    def _mean(self, total: Tensor) -> Tensor:
        if self.joints is not None:
            total = total[:, self.joints.to(total.device)]
        shape = (1, -1, *(1 for _ in total.shape[2:]))
        return total / self._counts.to(total).view(shape)


class _Voice:
    """One teacher on the student's grid, for the joints that both have.

    Attributes:
        taught: (M,) indices of those joints in the student.
    """

    def __init__(self, teacher: Teacher, spec: Spec) -> None:
        own = teacher.spec
        if isinstance(own.codec, SimCC) and isinstance(spec.codec, Heatmap):
            raise ValueError(
                "the teacher gives simcc, the student heatmap; a heatmap teacher can teach rows, "
                "rows cannot teach maps: choose a teacher whose codec is heatmap too"
            )
        check_aspect(own.input_size_wh, spec.input_size_wh)
        source = Skeleton.get(own.skeleton).index_map(Skeleton.get(spec.skeleton))
        if not (source >= 0).any():
            raise ValueError(
                f"the teacher's skeleton {own.skeleton} shares no joint with the student's "
                f"{spec.skeleton}"
            )
        self.taught = torch.from_numpy((source >= 0).nonzero()[0])
        self._source = None if own.skeleton == spec.skeleton else torch.from_numpy(source)
        self._teacher = teacher
        self._size_wh = None if own.input_size_wh == spec.input_size_wh else own.input_size_wh
        self._marginals: Marginals | None = None
        if isinstance(own.codec, Heatmap) and isinstance(spec.codec, SimCC):
            self._marginals = Marginals(own.codec, spec.codec)
        else:
            self._positions_xy = positions_xy(own.codec, spec.codec)

    def answer(self, images: Tensor) -> Answer:
        if self._size_wh is not None:
            images = resize(images, self._size_wh)
        answer = self._teacher.answer(images)
        return Answer(self._on_grid(tuple(map(self._pick, answer.logits))), answer.features)

    def _pick(self, logits: Tensor) -> Tensor:
        if self._source is None:
            return logits
        return logits[:, self._source[self.taught].to(logits.device)]

    def _on_grid(self, logits: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if self._marginals is not None:
            return self._marginals(logits[0])
        x, y = self._positions_xy
        if isinstance(self._teacher.spec.codec, SimCC):
            return sample_at(logits[0], x, -1), sample_at(logits[1], y, -1)
        return (sample_at(sample_at(logits[0], x, -1), y, -2),)
