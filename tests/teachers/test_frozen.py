"""A frozen teacher: its answers, and that nothing around it can reach it."""

import copy

import pytest
import torch
from torch import Tensor, nn

from posedistill.models import PoseModel, build
from posedistill.teachers import Frozen
from tests.weight_rule import fill


class _Holder(nn.Module):
    def __init__(self, teacher: Frozen) -> None:
        super().__init__()
        self.teacher = teacher
        self.own = nn.Linear(2, 2)


@pytest.fixture
def model() -> PoseModel:
    model = build("rtmpose-t", "coco17", (64, 96))
    fill(model, 1.6)
    return model.train()


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 96, 64), generator=generator, dtype=torch.uint8)


def test_a_teacher_answers_as_its_model_does_in_eval_mode(model: PoseModel, images: Tensor) -> None:
    teacher = Frozen(model)
    features = teacher.features(images)
    with torch.inference_mode():
        wanted = model.eval().features(images)
        logits = model(images)
    assert all(torch.equal(a, b) for a, b in zip(features, wanted, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(teacher.head(features), logits, strict=True))
    assert teacher.spec == model.spec


def test_an_answer_holds_logits_and_all_backbone_maps(model: PoseModel, images: Tensor) -> None:
    teacher = Frozen(model)
    logits, features = teacher.answer(images)
    assert features is not None
    assert all(map(torch.equal, features, teacher.features(images)))
    assert all(map(torch.equal, logits, teacher.head(features)))
    assert teacher.channels == features[-1].shape[1]


def test_fingerprints_tell_weights_apart(model: PoseModel) -> None:
    same, other = copy.deepcopy(model), copy.deepcopy(model)
    with torch.no_grad():
        other.head.get_parameter("cls_x.weight")[0, 0] += 1e-6
    prints = [Frozen(each).fingerprint for each in (model, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_held_teacher_is_no_part_of_its_holder(model: PoseModel) -> None:
    holder = _Holder(Frozen(model))
    assert [name for name, _ in holder.named_parameters()] == ["own.weight", "own.bias"]
    assert list(holder.state_dict()) == ["own.weight", "own.bias"]
    assert list(holder.buffers()) == []
    assert [name for name, _ in holder.named_modules()] == ["", "own"]


def test_training_its_holder_leaves_a_teacher_in_eval_mode(model: PoseModel) -> None:
    holder = _Holder(Frozen(model))
    holder.train()
    assert not any(module.training for module in model.modules())


def test_a_teacher_gives_no_gradient_to_anything(model: PoseModel, images: Tensor) -> None:
    teacher = Frozen(model)
    features = teacher.features(images)
    assert not any(value.requires_grad for value in (*features, *teacher.head(features)))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_answering_leaves_a_teacher_bit_identical(model: PoseModel, images: Tensor) -> None:
    teacher = Frozen(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    teacher.head(teacher.features(images))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_teacher_follows_the_images_to_their_device(model: PoseModel, images: Tensor) -> None:
    features = Frozen(model).features(images.to("meta"))
    assert {value.device.type for value in features} == {"meta"}
    assert {value.device.type for value in model.state_dict().values()} == {"meta"}


def test_statistics_move_only_where_they_are_asked_to(model: PoseModel, images: Tensor) -> None:
    held = Frozen(model)
    held.features(images)
    assert held.moved_statistics() == {}
    moving = Frozen(model, batch_statistics=True)
    before = {name: value.clone() for name, value in moving.moved_statistics().items()}
    moving.features(images)
    after = moving.moved_statistics()
    assert {name.rsplit(".", 1)[-1] for name in after} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    assert not any(torch.equal(before[name], value) for name, value in after.items())
    moving.restore_statistics(before)
    assert all(torch.equal(before[name], value) for name, value in after.items())
