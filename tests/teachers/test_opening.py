"""Opening a teacher by the text that names it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posedistill.models import build, save
from posedistill.teachers import Frozen, Joined, OnnxTeacher, open_teacher

WriteModel = Callable[..., Path]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    save(build("rtmpose-n", "coco17", (48, 64)), folder / "best.safetensors")
    return folder / "best.safetensors"


def test_each_kind_is_opened_by_its_name(weights: Path, write_dot_model: WriteModel) -> None:
    for path in (weights, weights.parent):
        teacher = open_teacher(str(path))
        assert isinstance(teacher, Frozen)
        assert teacher.spec.architecture == "rtmpose-n"
        assert not teacher.batch_statistics
    assert isinstance(open_teacher(str(write_dot_model())), OnnxTeacher)


def test_several_are_joined(weights: Path, write_dot_model: WriteModel) -> None:
    teacher = open_teacher(f"{weights} + {write_dot_model()}")
    assert isinstance(teacher, Joined)
    assert [type(member) for member in teacher.members] == [Frozen, OnnxTeacher]
    assert teacher.spec.architecture == "rtmpose-n"


def test_a_plus_in_the_name_of_a_file_is_no_join(weights: Path) -> None:
    odd = weights.rename(weights.with_name("s+t.safetensors"))
    assert isinstance(open_teacher(str(odd)), Frozen)


def test_batch_statistics_are_for_one_torch_model(
    weights: Path, write_dot_model: WriteModel
) -> None:
    teacher = open_teacher(str(weights), batch_statistics=True)
    assert isinstance(teacher, Frozen)
    assert teacher.batch_statistics
    with pytest.raises(ValueError, match="for torch models, .*dot.onnx is an .onnx file"):
        open_teacher(str(write_dot_model()), batch_statistics=True)
    with pytest.raises(ValueError, match="one teacher alone"):
        open_teacher(f"{weights}+{weights}", batch_statistics=True)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("runs/none", FileNotFoundError, "runs/none does not exist"),
        ("none.onnx", FileNotFoundError, "no such model file: none.onnx"),
        ("none.safetensors", FileNotFoundError, "none.safetensors does not exist"),
        ("a.onnx+", ValueError, r"teacher 'a.onnx\+' lacks a name beside a '\+'"),
    ],
)
def test_what_is_no_teacher_is_refused(text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        open_teacher(text)
