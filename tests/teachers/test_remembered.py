"""A teacher with a memory: asked once for each sample, and as good as one that is asked again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from posedistill.models import build
from posedistill.teachers import Answer, Fitted, Frozen, OnnxTeacher, Remembered
from tests.weight_rule import fill

WriteModel = Callable[..., Path]


class _Counting(Frozen):
    """Count the crops it is asked about."""

    num_asked = 0

    def answer(self, images: Tensor) -> Answer:
        self.num_asked += len(images)
        return super().answer(images)


@pytest.fixture
def teacher() -> _Counting:
    model = build("rtmpose-n", "coco17", (48, 64))
    fill(model, 1.6)
    return _Counting(model)


def _remembered(
    teacher: Frozen | OnnxTeacher, folder: Path, *, seed: int = 0, keeps_features: bool = True
) -> Remembered:
    fitted = Fitted(teacher, build("rtmpose-n", "coco17", (48, 64)).spec)
    return Remembered(
        fitted, folder, num_rows=8, identity={"seed": seed}, keeps_features=keeps_features
    )


def _images(rows: list[int]) -> Tensor:
    """Give the sample of each row."""
    every = torch.randint(
        0, 256, (8, 3, 64, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return every[rows]


def test_it_answers_as_the_teacher_to_half_precision(teacher: _Counting, tmp_path: Path) -> None:
    remembered = _remembered(teacher, tmp_path)
    wanted = teacher.answer(_images([3, 1, 6]))
    assert wanted.features is not None
    for _ in range(2):  # as asked, and as read
        answer = remembered.answer(_images([3, 1, 6]), np.array([3, 1, 6]))
        assert answer.features is not None
        assert len(answer.features) == 1
        pairs = zip(
            (*answer.logits, answer.features[-1]),
            (*wanted.logits, wanted.features[-1]),
            strict=True,
        )
        for heard, said in pairs:
            assert heard.dtype == torch.float32
            torch.testing.assert_close(heard, said.half().float(), rtol=0, atol=0)


def test_it_asks_once_for_each_row(teacher: _Counting, tmp_path: Path) -> None:
    remembered = _remembered(teacher, tmp_path)
    teacher.num_asked = 0
    for rows, asked in (([0, 1, 2], 3), ([2, 1, 5], 4), ([5, 0], 4), ([7], 5)):
        remembered.answer(_images(rows), np.array(rows))
        assert teacher.num_asked == asked


def test_the_next_run_starts_with_what_the_last_one_knew(
    teacher: _Counting, tmp_path: Path
) -> None:
    rows = np.array([4, 2])
    first = _remembered(teacher, tmp_path).answer(_images([4, 2]), rows)
    again = _remembered(teacher, tmp_path)
    teacher.num_asked = 0
    second = again.answer(torch.zeros(2, 3, 64, 48, dtype=torch.uint8), rows)
    assert teacher.num_asked == 0
    assert all(map(torch.equal, first.logits, second.logits))


def test_a_memory_of_something_else_is_refused(teacher: _Counting, tmp_path: Path) -> None:
    _remembered(teacher, tmp_path)
    with pytest.raises(ValueError, match="seed differ"):
        _remembered(teacher, tmp_path, seed=1)
    with pytest.raises(ValueError, match="shapes differ"):
        _remembered(teacher, tmp_path, keeps_features=False)
    fill(teacher.model, 1.4)
    with pytest.raises(ValueError, match="teacher differ"):
        _remembered(Frozen(teacher.model), tmp_path)


def test_onnx_teachers_are_remembered_without_features(
    write_dot_model: WriteModel, tmp_path: Path
) -> None:
    teacher = OnnxTeacher(write_dot_model())
    remembered = _remembered(teacher, tmp_path / "rows", keeps_features=False)
    answer = remembered.answer(_images([1]), np.array([1]))
    assert answer.features is None
    assert [tuple(part.shape) for part in answer.logits] == [(1, 17, 96), (1, 17, 128)]
