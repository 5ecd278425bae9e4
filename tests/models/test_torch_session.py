"""The torch session: the model's outputs as arrays, and the model as it was before."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from posedistill.models import PoseModel, build
from posedistill.runtime.session import Session, open_session
from tests.weight_rule import fill


@pytest.fixture
def model() -> PoseModel:
    model = build("rtmpose-t", "coco17", (64, 96))
    fill(model, 1.6)
    return model.eval()


@pytest.fixture
def crops(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (2, 3, 96, 64), np.uint8)


def test_it_gives_the_outputs_of_the_model_as_float_arrays(
    model: PoseModel, crops: NDArray[np.uint8]
) -> None:
    outputs = model.session()(crops)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(crops))
    assert [out.dtype for out in outputs] == [np.float32, np.float32]
    assert [out.shape for out in outputs] == [(2, 17, 128), (2, 17, 192)]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(outputs, wanted, strict=True))


def test_it_gives_float32_from_a_model_in_another_precision(
    model: PoseModel, crops: NDArray[np.uint8]
) -> None:
    single = model.session()(crops)
    double = model.double().session()(crops)
    assert [out.dtype for out in double] == [np.float32, np.float32]
    for a, b in zip(single, double, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_it_is_a_session_of_the_runtime(model: PoseModel) -> None:
    session = open_session(model)
    assert isinstance(session, Session)
    assert (session.spec, session.provider) == (model.spec, "torch-cpu")


def test_it_takes_no_crops(model: PoseModel) -> None:
    outputs = model.session()(np.zeros((0, 3, 96, 64), np.uint8))
    assert [out.shape for out in outputs] == [(0, 17, 128), (0, 17, 192)]


def test_a_model_in_training_answers_in_eval_mode_and_keeps_its_statistics(
    model: PoseModel, crops: NDArray[np.uint8]
) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    wanted = model.session()(crops)
    outputs = model.train().session()(crops)
    assert all(np.array_equal(a, b) for a, b in zip(outputs, wanted, strict=True))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_model_that_goes_on_training_is_still_answered_in_eval_mode(
    model: PoseModel, crops: NDArray[np.uint8]
) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    session = model.session()
    wanted = session(crops)
    model.train()
    assert all(np.array_equal(a, b) for a, b in zip(session(crops), wanted, strict=True))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_its_outputs_carry_no_gradient(model: PoseModel, crops: NDArray[np.uint8]) -> None:
    model.session()(crops)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
