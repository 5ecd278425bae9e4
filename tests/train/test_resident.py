"""Resident people: kept, placed, cut and varied as the loader's people are."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from posedistill.codecs import SimCC
from posedistill.crop import transform_points, warp
from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.joint import JointDataset, Source
from posedistill.train.augment import AugmentConfig, augment
from posedistill.train.batches import KeyBatches
from posedistill.train.fit import fit
from posedistill.train.preflight import RecipeError
from posedistill.train.resident import People, _shrink_and_warp, read_people, side_of
from posedistill.train.resident_batches import ResidentBatches, Variation, cut, place, vary
from posedistill.train.resident_colour import to_hsv, vary_hsv
from posedistill.train.resident_detail import blur, coarsen, drop_rectangle
from tests.train.tiny import largest_difference, state, tiny

Change = Callable[[Tensor, float, torch.Generator], Tensor]
SIZE_WH = (48, 64)
CPU = torch.device("cpu")
PLAIN = AugmentConfig(
    flip=0.0,
    half_body=0.0,
    shift=0.0,
    scale=(1.0, 1.0),
    rotation=0.0,
    hsv=(0, 0, 0),
    blur=0.0,
    median_blur=0.0,
    dropout=0.0,
)


@pytest.fixture(scope="module")
def data() -> DrawnPeople:
    return DrawnPeople(12, seed=3, size=96)


@pytest.fixture(scope="module")
def people(data: DrawnPeople) -> People:
    return read_people(data, SIZE_WH, device=CPU)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _vary(people: People, config: AugmentConfig) -> tuple[Tensor, ...]:
    rows = torch.arange(len(people.images))
    return vary(people, rows, size_wh=SIZE_WH, config=config, generator=_generator())


def test_without_variation_a_crop_is_the_loaders(people: People, data: DrawnPeople) -> None:
    crops, keypoints, visible = _vary(people, PLAIN)
    for index, instance in enumerate(data.instances):
        wanted = augment(
            data.image(instance.image_id),
            instance,
            skeleton=data.skeleton,
            size_wh=SIZE_WH,
            config=PLAIN,
            rng=np.random.default_rng(0),
        )
        np.testing.assert_allclose(keypoints[index].numpy(), wanted.keypoints, atol=1e-2)
        np.testing.assert_array_equal(visible[index].numpy(), wanted.visible)
        # the picture was interpolated twice: without its grain both are one
        crop, image = (
            cv2.GaussianBlur(picture.transpose(1, 2, 0).astype(np.float32), (0, 0), 2.0)
            for picture in (crops[index].numpy(), wanted.image)
        )
        assert np.abs(crop - image).mean() < 4


def test_a_mirrored_crop_mirrors_picture_and_joints(people: People, data: DrawnPeople) -> None:
    plain, points, visible = _vary(people, PLAIN)
    crops, mirrored, seen = _vary(people, dataclasses.replace(PLAIN, flip=1.0))
    swap = torch.tensor(data.skeleton.flip_permutation)
    assert torch.equal(seen, visible[:, swap])
    wanted = points[:, swap] * torch.tensor([-1.0, 1.0]) + torch.tensor([SIZE_WH[0], 0.0])
    assert torch.allclose(mirrored, wanted, atol=1e-3)
    # pixel x comes from w - x, so the first column is new
    apart = (crops[..., 1:].float() - plain.flip(-1)[..., :-1].float()).abs()
    assert float(apart.mean()) < 1


def test_a_cut_is_that_of_the_library() -> None:
    rng = np.random.default_rng(1)
    grain = rng.integers(0, 256, (80, 80, 3), np.uint8)
    image = np.asarray(cv2.GaussianBlur(grain, (9, 9), 3), np.uint8)
    matrix = np.array([[0.7, 0.3, -4.0], [-0.3, 0.7, 20.0]])
    wanted = warp(image, matrix, SIZE_WH)
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    got = cut(images, torch.from_numpy(matrix).float()[None], SIZE_WH)[0].permute(1, 2, 0)
    inside = wanted.min(axis=-1) > 0
    assert np.abs(got.numpy() - wanted)[inside].max() < 4
    assert inside.mean() > 0.5


@pytest.mark.parametrize("factor", [0.45, 0.21, 0.07])
def test_a_large_picture_is_cut_where_its_points_go(factor: float) -> None:
    places = np.stack(np.meshgrid(np.arange(500), np.arange(400)), axis=-1)
    point, matrix = np.array([310.0, 170.0]), np.array([[factor, 0, -3.3], [0, factor, 2.6]])
    far = ((places - point) ** 2).sum(axis=-1) / (2 * (2 / factor) ** 2)
    image = np.repeat((255 * np.exp(-far)).astype(np.uint8)[..., None], 3, axis=2)
    crop = _shrink_and_warp(image, matrix, 240)[..., 0].astype(np.float64)
    y, x = np.indices(crop.shape)
    found = np.array([(crop * x).sum(), (crop * y).sum()]) / crop.sum()
    assert np.abs(found - transform_points(point[None], matrix)[0]).max() < 0.05


def test_places_spread_as_the_configuration_says(people: People) -> None:
    config = AugmentConfig(half_body=0.0, flip=0.3)
    rows = torch.zeros(4000, dtype=torch.int64)
    matrices, is_flipped = place(
        people, rows, size_wh=SIZE_WH, config=config, generator=_generator()
    )
    assert 0.27 < float(is_flipped.float().mean()) < 0.33
    sign = torch.where(is_flipped, -1.0, 1.0)
    angle = torch.rad2deg(torch.atan2(matrices[:, 0, 1] * sign, matrices[:, 0, 0] * sign))
    turned = angle.abs() > 1e-3
    assert 0.57 < float(turned.float().mean()) < 0.63
    assert 70 < float(angle.abs().max()) <= 80
    # the normal distribution cut off at one sigma has a standard deviation of 0.5396
    assert abs(float(angle[turned].std()) / 80 - 0.5396) < 0.02
    shown = torch.hypot(matrices[:, 0, 0], matrices[:, 0, 1])
    ratio = shown.max() / shown.min()
    assert 2.2 < float(ratio) <= 1.4 / 0.6 + 1e-3


def test_half_bodies_are_cut_closer(people: People) -> None:
    with_halves = people.has_half.any(dim=1).nonzero().flatten()
    assert len(with_halves)
    half = dataclasses.replace(PLAIN, half_body=1.0)
    both = [
        place(people, with_halves, size_wh=SIZE_WH, config=config, generator=_generator())[0]
        for config in (PLAIN, half)
    ]
    assert float((both[1][:, 0, 0] / both[0][:, 0, 0]).mean()) > 1.2


def test_copies_of_a_person_are_kept_once(data: DrawnPeople) -> None:
    joint = JointDataset([Source(data, ratio=3.0)])
    kept = read_people(joint, SIZE_WH, device=CPU)
    assert len(joint.instances) == 36
    assert len(kept.images) == 12
    assert kept.images.shape[1:] == (3, side_of(SIZE_WH), side_of(SIZE_WH))
    assert kept.rows.tolist() == [*range(12)] * 3


def _batches(
    people: People, data: DrawnPeople, steps: range, config: AugmentConfig
) -> Iterator[Tensor]:
    keys = KeyBatches(data, 4, seed=0, steps=steps, rank=0, world_size=1)
    variation = Variation(config, PLAIN, 2, 0)
    codec = SimCC(SIZE_WH, (2.4, 2.8))
    for batch in ResidentBatches(people, codec, variation, keys):
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        yield batch.images


def test_a_later_start_makes_the_same_batches(people: People, data: DrawnPeople) -> None:
    config = AugmentConfig(grey=0.5, coarse=0.5)
    whole = list(_batches(people, data, range(5), config))
    rest = list(_batches(people, data, range(3, 5), config))
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], rest, strict=True))
    assert not torch.equal(whole[0], whole[1])


def test_late_epochs_are_varied_as_the_late_configuration_says(
    people: People, data: DrawnPeople
) -> None:
    config = AugmentConfig()
    plain = {crop.numpy().tobytes() for crop in _vary(people, PLAIN)[0]}
    early, late = (
        [crop.numpy().tobytes() in plain for crop in next(_batches(people, data, steps, config))]
        for steps in (range(1), range(6, 7))
    )
    assert not any(early)
    assert all(late)


def test_colours_agree_with_opencv() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.float32)
    wanted = cv2.cvtColor(pixels / 255, cv2.COLOR_RGB2HSV) * [0.5, 255, 255]
    got = to_hsv(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    for channel, want in zip(got, np.moveaxis(wanted, -1, 0), strict=True):
        np.testing.assert_allclose(channel[0].numpy(), want, atol=0.01)


def test_a_change_of_value_is_as_large_as_allowed() -> None:
    pictures = torch.full((500, 3, 1, 1), 100.0)
    values = vary_hsv(pictures, (0, 0, 30), _generator())[:, 0, 0, 0]
    assert 70 <= float(values.min()) < 74
    assert 126 < float(values.max()) <= 130
    assert 0.4 < float((values == 100).float().mean()) < 0.6


def test_a_hidden_rectangle_has_the_size_it_should() -> None:
    pictures = torch.ones(200, 3, 50, 40)
    hidden = 1 - drop_rectangle(pictures, 1.0, _generator())[:, 0]
    heights = hidden.amax(dim=2).sum(dim=1)
    widths = hidden.amax(dim=1).sum(dim=1)
    assert torch.equal(hidden.sum(dim=(1, 2)), heights * widths)
    assert 10 <= float(heights.min()) <= float(heights.max()) < 20
    assert 8 <= float(widths.min()) <= float(widths.max()) < 16


@pytest.mark.parametrize("change", [blur, coarsen], ids=["blur", "coarse"])
def test_detail_goes_and_brightness_stays(change: Change) -> None:
    pictures = torch.rand(64, 3, 40, 40, generator=_generator())
    changed = change(pictures.clone(), 0.5, _generator())
    same = (changed == pictures).flatten(1).all(dim=1)
    assert 0.3 < float(same.float().mean()) < 0.7
    assert float(changed[~same].std()) < 0.9 * float(pictures.std())
    assert abs(float(changed.mean() - pictures.mean())) < 0.01


def test_a_run_on_resident_people_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    short = "data.train_count=16", "data.val_count=2", "epochs=1", "save_every=1"
    recipe = tiny("drawn-pretrain-n", "resident=true", *short)
    fit(recipe, tmp_path / "whole")
    fit(recipe, tmp_path / "parts", stop_at=1)
    fit(recipe, tmp_path / "parts")
    assert largest_difference(state(tmp_path / "whole"), state(tmp_path / "parts")) == 0


def test_answers_cannot_be_kept_of_people_that_are_drawn_anew(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--set resident=false"):
        fit(tiny("drawn-pretrain-n", "resident=true", "views=2"), tmp_path)
