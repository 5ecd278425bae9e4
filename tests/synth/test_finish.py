import numpy as np
import pytest

from posedistill.synth.finish import finish


def _ramp() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (24, 40, 3), np.uint8)


@pytest.mark.parametrize("seed", range(30))
def test_size_and_type_stay_whatever_is_drawn(seed: int) -> None:
    image = finish(np.random.default_rng(seed), _ramp())
    assert image.shape == (24, 40, 3)
    assert image.dtype == np.uint8


def test_the_picture_that_is_given_is_left_alone() -> None:
    image = _ramp()
    for seed in range(10):
        finish(np.random.default_rng(seed), image)
    assert (image == _ramp()).all()


def test_some_pictures_turn_grey_and_most_do_not() -> None:
    grey = 0
    for seed in range(60):
        image = finish(np.random.default_rng(seed), _ramp()).astype(int)
        grey += np.abs(image[..., 0] - image[..., 2]).max() <= 2
    assert 0 < grey < 25


def test_nothing_moves() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[28:36, 20:28] = 255
    for seed in range(20):
        done = finish(np.random.default_rng(seed), image).astype(float).mean(axis=2)
        done = np.clip(done - np.median(done) - 60, 0, None)
        rows, columns = np.indices(done.shape)
        assert (done * rows).sum() / done.sum() == pytest.approx(31.5, abs=0.7)
        assert (done * columns).sum() / done.sum() == pytest.approx(23.5, abs=0.7)
