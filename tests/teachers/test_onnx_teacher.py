"""An `.onnx` file as a teacher: its logits on the device of the images, and no features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.codecs import SimCC
from posedistill.runtime.session import OnnxSession
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec
from posedistill.teachers import OnnxTeacher

WriteModel = Callable[..., Path]


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 3, 64, 48), generator=generator, dtype=torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


def test_it_answers_as_its_file_does(write_dot_model: WriteModel, images: torch.Tensor) -> None:
    teacher = OnnxTeacher(write_dot_model())
    answer = teacher.answer(images)
    wanted = OnnxSession(write_dot_model())(images.numpy())
    assert answer.features is None
    assert teacher.channels is None
    for logits, values in zip(answer.logits, wanted, strict=True):
        np.testing.assert_array_equal(logits.numpy(), values)


def test_a_raw_published_file_with_a_fixed_batch_works(
    write_dot_model: WriteModel, images: torch.Tensor
) -> None:
    spec = Spec(
        "dot", "coco17", SimCC((48, 64), (2.45, 2.83)), mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    path = write_dot_model("raw.onnx", spec=spec, metadata="", batch=1)
    teacher = OnnxTeacher(path)
    assert teacher.spec.skeleton == "coco17"
    assert [tuple(part.shape) for part in teacher.answer(images).logits] == [
        (5, 17, 96),
        (5, 17, 128),
    ]


def test_answers_come_to_the_device_of_the_images(
    write_dot_model: WriteModel, images: torch.Tensor
) -> None:
    teacher = OnnxTeacher(write_dot_model())
    empty = teacher.answer(images[:0])
    assert [tuple(part.shape) for part in empty.logits] == [(0, 17, 48), (0, 17, 64)]
    assert {part.device for part in empty.logits} == {images.device}


@pytest.mark.gpu
def test_answers_come_to_the_gpu(write_dot_model: WriteModel, images: torch.Tensor) -> None:
    answer = OnnxTeacher(write_dot_model()).answer(images.to("cuda"))
    assert {part.device.type for part in answer.logits} == {"cuda"}


def test_fingerprints_tell_files_apart(write_dot_model: WriteModel) -> None:
    first = OnnxTeacher(write_dot_model("a.onnx")).fingerprint
    same = OnnxTeacher(write_dot_model("b.onnx")).fingerprint
    spec = Spec("dot", "coco17", SimCC((48, 64), (4.9, 5.66), 1.0), padding=1.25)
    other = OnnxTeacher(write_dot_model("c.onnx", spec=spec)).fingerprint
    assert first == same != other
