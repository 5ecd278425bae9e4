"""Fitted teachers: other sizes, grids and skeletons, and several teachers at once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from posedistill.codecs import SimCC
from posedistill.models import PoseModel, build
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec
from posedistill.teachers import Answer, Fitted, Frozen, Joined, OnnxTeacher, Teacher
from tests.weight_rule import fill

WriteModel = Callable[..., Path]


def _model(name: str, skeleton: str, size_wh: tuple[int, int], gain: float = 1.6) -> PoseModel:
    model = build(name, skeleton, size_wh)
    fill(model, gain)
    return model


def _images(size_wh: tuple[int, int], count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, size_wh[1], size_wh[0])
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_a_teacher_of_the_students_layout_is_heard_as_it_is() -> None:
    teacher = Frozen(_model("rtmpose-s", "coco17", (48, 64)))
    student = build("rtmpose-n", "coco17", (48, 64))
    fitted, images = Fitted(teacher, student.spec), _images((48, 64))
    heard, wanted = fitted.answer(images), teacher.answer(images)
    assert fitted.joints is None
    assert fitted.channels == teacher.channels == 512
    assert heard.features is not None
    assert wanted.features is not None
    for a, b in zip(
        (*heard.logits, *heard.features), (*wanted.logits, *wanted.features), strict=True
    ):
        assert torch.equal(a, b)


def _dots(size_wh: tuple[int, int], points: list[tuple[int, int]]) -> Tensor:
    """Give crops, black but for a blurred blue spot at a point of each."""
    w, h = size_wh
    x, y = torch.arange(w)[None], torch.arange(h)[:, None]
    crops = torch.zeros(len(points), 3, h, w)
    for crop, (px, py) in zip(crops, points, strict=True):
        crop[2] = 250 * torch.exp(-((x - px) ** 2 + (y - py) ** 2) / 50)
    return crops.round().to(torch.uint8)


def test_a_teacher_of_another_size_points_at_the_same_pixels(write_dot_model: WriteModel) -> None:
    teacher = OnnxTeacher(write_dot_model())  # 48x64, one bin a pixel
    codec = SimCC((72, 96), (3.0, 3.0))  # two bins a pixel
    points = [(20, 70), (50, 31), (36, 48)]
    answer = Fitted(teacher, Spec("student", "coco17", codec)).answer(_dots((72, 96), points))
    x, y = (part.numpy() for part in answer.logits)
    assert (x.shape, y.shape) == ((3, 17, 144), (3, 17, 192))
    found, _ = codec.decode(x, y)
    nose = Skeleton.get("coco17").joints.index("nose")  # looks at blue
    # one pixel of the teacher is 1.5 of the student's
    np.testing.assert_allclose(found[:, nose], np.array(points), atol=0.8)


def test_features_are_kept_only_where_their_maps_can_be_compared() -> None:
    student = build("rtmpose-n", "coco17", (48, 64)).spec
    small = Fitted(Frozen(build("rtmpose-n", "coco17", (48, 64))), student)
    large = Fitted(Frozen(build("rtmpose-n", "coco17", (72, 96))), student)
    assert (small.channels, large.channels) == (256, None)
    assert small.answer(_images((48, 64))).features is not None
    assert large.answer(_images((48, 64))).features is None


def test_joints_of_another_skeleton_are_matched_by_name() -> None:
    teacher = Frozen(_model("rtmpose-n", "coco17", (48, 64)))
    student = build("rtmpose-n", "openpose18", (48, 64)).spec
    fitted, images = Fitted(teacher, student), _images((48, 64))
    heard, said = fitted.answer(images).logits, teacher.answer(images).logits
    theirs, ours = Skeleton.get("coco17").joints, Skeleton.get("openpose18").joints
    assert fitted.joints is not None
    assert [ours[index] for index in fitted.joints] == [j for j in ours if j != "neck"]
    for place, index in enumerate(fitted.joints.tolist()):
        assert torch.equal(heard[0][:, place], said[0][:, theirs.index(ours[index])])


def test_more_joints_than_the_student_has_are_left_out() -> None:
    teacher = Frozen(_model("rtmpose-n", "wholebody133", (48, 64)))
    fitted = Fitted(teacher, build("rtmpose-n", "coco17", (48, 64)).spec)
    images = _images((48, 64))
    assert fitted.joints is None
    assert torch.equal(fitted.answer(images).logits[1], teacher.answer(images).logits[1][:, :17])


def test_heatmaps_are_fitted_as_well() -> None:
    teacher = Frozen(_model("cspnext-n-heatmap", "wholebody133", (96, 128)))
    fitted = Fitted(teacher, build("cspnext-n-heatmap", "coco17", (48, 64)).spec)
    (maps,) = fitted.answer(_images((48, 64))).logits
    assert tuple(maps.shape) == (2, 17, 16, 12)


@pytest.mark.parametrize(
    ("name", "skeleton", "size_wh", "words"),
    [
        ("rtmpose-n", "coco17", (64, 64), "crops of 64x64, the student of 48x64"),
        ("rtmpose-n", "hand21", (48, 64), "hand21 shares no joint with the student's coco17"),
    ],
    ids=["aspect", "skeleton"],
)
def test_a_teacher_that_cannot_be_fitted_is_refused(
    name: str, skeleton: str, size_wh: tuple[int, int], words: str
) -> None:
    student = build("rtmpose-n", "coco17", (48, 64)).spec
    with pytest.raises(ValueError, match=words):
        Fitted(Frozen(build(name, skeleton, size_wh)), student)


def _three() -> list[Teacher]:
    sizes = ((48, 64), (48, 64), (96, 128))
    return [
        Frozen(_model("rtmpose-n", "coco17", size_wh, gain))
        for size_wh, gain in zip(sizes, (1.4, 1.6, 1.5), strict=True)
    ]


def test_several_teachers_are_heard_as_the_mean_of_their_logits() -> None:
    members, student = _three(), build("rtmpose-n", "coco17", (48, 64)).spec
    fitted, images = Fitted(Joined(members), student), _images((48, 64))
    alone = [Fitted(member, student).answer(images).logits for member in members]
    heard = fitted.answer(images)
    assert fitted.joints is None
    assert (fitted.channels, heard.features) == (None, None)
    for axis in (0, 1):
        wanted = np.mean([logits[axis].numpy() for logits in alone], axis=0)
        np.testing.assert_allclose(heard.logits[axis].numpy(), wanted, atol=1e-5)


def test_joined_teachers_answer_on_their_own_as_the_first_would_be_asked() -> None:
    members = _three()
    joined, images = Joined(members), _images((48, 64))
    assert joined.spec == members[0].spec
    wanted = Fitted(joined, joined.spec).answer(images).logits
    assert all(map(torch.equal, joined.answer(images).logits, wanted))
    assert joined.fingerprint != Joined(members[::-1]).fingerprint


def test_a_joint_is_averaged_over_the_teachers_that_know_it() -> None:
    body = Frozen(_model("rtmpose-n", "coco17", (48, 64), 1.4))
    all_joints = Frozen(_model("rtmpose-n", "wholebody133", (48, 64)))
    student = build("rtmpose-n", "wholebody133", (48, 64)).spec
    fitted, images = Fitted(Joined([body, all_joints]), student), _images((48, 64))
    heard = fitted.answer(images).logits[0]
    one, other = body.answer(images).logits[0], all_joints.answer(images).logits[0]
    assert fitted.joints is None
    torch.testing.assert_close(heard[:, :17], (one + other[:, :17]) / 2)
    torch.testing.assert_close(heard[:, 17:], other[:, 17:])


def test_joints_that_no_teacher_knows_stay_out() -> None:
    hand, other = (Frozen(_model("rtmpose-n", "coco17", (48, 64), g)) for g in (1.4, 1.6))
    student = build("rtmpose-n", "wholebody133", (48, 64)).spec
    fitted = Fitted(Joined([hand, other]), student)
    assert fitted.joints is not None
    assert fitted.joints.tolist() == list(range(17))
    assert fitted.answer(_images((48, 64))).logits[0].shape[1] == 17


def test_fingerprints_tell_students_apart() -> None:
    teacher = Frozen(_model("rtmpose-n", "coco17", (48, 64)))
    prints = {
        Fitted(teacher, build("rtmpose-n", skeleton, size_wh).spec).fingerprint
        for skeleton in ("coco17", "openpose18")
        for size_wh in ((48, 64), (72, 96))
    }
    assert len(prints) == 4


def test_every_kind_is_a_teacher(write_dot_model: WriteModel) -> None:
    frozen = Frozen(_model("rtmpose-n", "coco17", (48, 64)))
    for teacher in (frozen, OnnxTeacher(write_dot_model()), Joined([frozen, frozen])):
        assert isinstance(teacher, Teacher)
        assert isinstance(teacher.answer(_images((48, 64))), Answer)
