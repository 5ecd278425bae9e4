"""Faults: unreadable images, steps that are not finite, dying loader workers."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import Instance, PoseDataset
from posedistill.objectives.objective import Batch, Key
from posedistill.recipes import get
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import KeyBatches, TrainSamples, make_loader
from posedistill.train.data import ValidationFiles
from posedistill.train.faults import (
    ReadableSamples,
    batches_of,
    describe_bad_step,
    save_batch,
    unreadable_images,
)
from posedistill.train.fit import fit
from posedistill.train.recipe import Recipe, override
from tests.train.tiny import OVERRIDES, tiny


class _Broken(DrawnPeople):
    """Draw people, some of whose images are missing or no images."""

    def image(self, image_id: int) -> NDArray[np.uint8]:
        if image_id in (2, 3):
            raise ValueError(f"{image_id}.png: cannot be read as an image")
        if image_id == 6:
            raise FileNotFoundError("no such image: 6.png")
        return super().image(image_id)


def _samples(people: PoseDataset) -> TrainSamples:
    plain = AugmentConfig()
    codec = SimCC((48, 64), (2.45, 2.83))
    return TrainSamples(people, codec, seed=3, early=plain, late=plain, late_epoch=9)


@pytest.fixture
def readable(tmp_path: Path) -> ReadableSamples:
    return ReadableSamples(_samples(_Broken(6, seed=1, size=64)), log=tmp_path / "log.jsonl")


def test_a_sample_without_readable_image_is_replaced_by_the_next(
    readable: ReadableSamples, tmp_path: Path
) -> None:
    whole = _samples(DrawnPeople(6, seed=1, size=64))
    # people 1 and 2 have the images 2 and 3, person 5 the image 6
    for person, shown in ((0, 0), (1, 3), (2, 3), (4, 4), (5, 0)):
        seen, wanted = readable[Key(2, person, 2)], whole[Key(2, shown, 2)]
        assert int(seen.indices) == shown
        assert torch.equal(seen.images, wanted.images)
        assert torch.equal(seen.targets[0], wanted.targets[0])
    errors = unreadable_images(tmp_path / "log.jsonl")
    assert set(errors) == {2, 3, 6}
    assert errors[6] == "no such image: 6.png"


def test_an_unreadable_image_is_noted_once(readable: ReadableSamples, tmp_path: Path) -> None:
    for epoch in range(3):
        assert int(readable[Key(epoch, 5, epoch)].indices) == 0
    assert len((tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_workers_leave_out_the_same_images_as_no_workers(readable: ReadableSamples) -> None:
    keys = list(KeyBatches(readable.data, 3, seed=0, steps=range(4), rank=0, world_size=1))
    alone = list(make_loader(readable, keys, num_workers=0))
    helped = list(make_loader(readable, keys, num_workers=2))
    for one, other in zip(alone, helped, strict=True):
        assert one.indices.tolist() == other.indices.tolist()
        assert torch.equal(one.images, other.images)


def test_samples_used_in_turn_stay_readable(readable: ReadableSamples) -> None:
    assert int(readable.reusing(2)[Key(0, 1, 0)].indices) == 3


def test_a_folder_that_is_gone_is_no_reason_to_go_on(tmp_path: Path) -> None:
    class Gone(DrawnPeople):
        def image(self, image_id: int) -> NDArray[np.uint8]:
            raise FileNotFoundError(f"no such image: {image_id}.png")

    samples = ReadableSamples(_samples(Gone(4, size=64)), log=tmp_path / "log.jsonl")
    with pytest.raises(ValueError, match="4 samples in a row have no readable image .no such"):
        samples[Key(0, 0, 0)]


def test_other_errors_are_not_taken_for_unreadable_images(tmp_path: Path) -> None:
    samples = _samples(DrawnPeople(4, size=64))
    samples.seed = -1  # which no random generator takes
    with pytest.raises(ValueError, match="non-negative"):
        ReadableSamples(samples, log=tmp_path / "log.jsonl")[Key(0, 0, 0)]
    assert not (tmp_path / "log.jsonl").exists()


def test_a_run_tells_at_its_end_which_images_it_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    DrawnPeople(16, size=64).write(tmp_path / "data")
    (tmp_path / "data" / "images" / "000004.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    files = ["train=annotations.json", "val=annotations.json", "train_images=images"]
    sets = [f"data.{text}" for text in (*files, f"root={tmp_path / 'data'}")]
    DrawnPeople(4, size=64).write(tmp_path / "val")
    sets += [f"data.val={tmp_path / 'val' / 'annotations.json'}"]
    sets += [f"data.val_images={tmp_path / 'val' / 'images'}"]
    drawn = [text for text in OVERRIDES if not text.startswith("data.")]
    recipe = replace(get("drawn-rtmpose-n"), data=get("rtmpose-t").data)
    fit(override(recipe, [*drawn, *sets, "epochs=2"]), tmp_path / "run")
    assert "1 images could not be read" in caplog.text
    assert "000004.png: the image is truncated" in caplog.text
    assert set(unreadable_images(tmp_path / "run" / "unreadable-images.jsonl")) == {4}


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"image_id": 7, "error": "gone"}\n{"image_id": 8, "err', encoding="utf-8")
    assert unreadable_images(log) == {7: "gone"}


def _batch() -> Batch:
    people = _samples(DrawnPeople(6, seed=1, size=64))
    keys = [[Key(0, person, 0) for person in (4, 1)]]
    return next(batches_of(make_loader(people, keys, num_workers=0)))


def test_a_saved_batch_holds_what_was_learnt_from(tmp_path: Path) -> None:
    batch = _batch()
    save_batch(batch, tmp_path / "batch.npz")
    with np.load(tmp_path / "batch.npz") as file:
        assert set(file) == {"images", "targets_0", "targets_1", "weights", "indices", "views"}
        np.testing.assert_array_equal(file["images"], batch.images)
        np.testing.assert_array_equal(file["targets_1"], batch.targets[1])
        assert file["indices"].tolist() == [4, 1]


def test_a_bad_step_says_whether_loss_or_gradient_and_names_some_samples() -> None:
    batch = _batch()._replace(indices=torch.arange(20))
    bad = describe_bad_step({"a": torch.tensor(1.0), "b": torch.tensor(float("inf"))}, batch)
    assert bad.startswith("the loss is not finite ({'a': 1.0, 'b': inf}) on samples [0, 1, 2,")
    assert bad.endswith("7] and 12 more")
    assert describe_bad_step({"a": torch.tensor(1.0)}, batch).startswith("the gradient is not")


@dataclass(frozen=True)
class PoisonedData:
    """Draw people of whom number 5 has keypoints that are no numbers."""

    train_count: int = 32
    val_count: int = 4

    def training(self) -> PoseDataset:
        return _Poisoned(self.train_count)

    def validation(self, run_dir: Path) -> ValidationFiles:
        people = DrawnPeople(self.val_count, seed=1)
        return ValidationFiles(*people.write(run_dir / "drawn-val"))


class _Poisoned(DrawnPeople):
    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        people = list(DrawnPeople(self._count).instances)
        people[5] = replace(people[5], keypoints=np.full((133, 2), np.nan, np.float32))
        return tuple(people)


def poisoned(*more: str) -> Recipe:
    """Give a tiny recipe in which one step of each epoch is not finite."""
    sets = [text for text in OVERRIDES if not text.startswith("data.")]
    recipe = replace(get("drawn-rtmpose-n"), data=PoisonedData())  # type: ignore[arg-type]  # a kind of data of the test
    return override(recipe, [*sets, "augment.half_body=0", "late_augment.half_body=0", *more])


def test_a_bad_step_stops_the_run_and_its_batch_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"loss is not finite.* on samples .*max_bad_steps=10"):
        fit(poisoned("epochs=1"), tmp_path / "run")
    (file,) = (tmp_path / "run").glob("bad-step-*.npz")
    with np.load(file) as batch:
        assert 5 in batch["indices"]
        row = batch["indices"].tolist().index(5)
        assert np.isnan(batch["targets_0"][row]).any()


def test_bad_steps_are_left_out_up_to_a_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = fit(poisoned("epochs=2", "max_bad_steps=2"), tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert "left out, 2 of at most 2" in caplog.text
    assert len(list((tmp_path / "run").glob("bad-step-*.npz"))) == 2
    with pytest.raises(ValueError, match="not finite"):
        fit(poisoned("epochs=3", "max_bad_steps=2"), tmp_path / "another")
    saved = torch.load(tmp_path / "another" / "last.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in saved["objective"].values())


def test_the_limit_counts_over_restarts(tmp_path: Path) -> None:
    recipe = poisoned("epochs=3", "max_bad_steps=2")
    fit(recipe, tmp_path / "run", stop_at=8)
    with pytest.raises(ValueError, match="not finite"):
        fit(recipe, tmp_path / "run")
    fit(replace(recipe, max_bad_steps=3), tmp_path / "run")


def test_a_gradient_that_is_not_finite_teaches_nothing(tmp_path: Path) -> None:
    recipe = tiny("drawn-rtmpose-n", "epochs=1", "objective.people_scale=1e37")
    with pytest.raises(ValueError, match="the gradient is not finite"):
        fit(recipe, tmp_path / "run")


class _Dying(TrainSamples):
    def __getitem__(self, key: Key) -> Batch:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_loader_worker_that_dies_is_told_with_its_likely_causes() -> None:
    plain = AugmentConfig()
    whole = _samples(DrawnPeople(6, size=64))
    samples = _Dying(whole.data, whole.codec, seed=0, early=plain, late=plain, late_epoch=9)
    loader = make_loader(samples, [[Key(0, 0, 0)]], num_workers=1)
    with pytest.raises(ChildProcessError, match="worker died .*memory.* --set num_workers=1"):
        list(batches_of(loader))


def test_other_errors_of_a_loader_stay_what_they_are() -> None:
    def failing() -> Iterator[Batch]:
        raise RuntimeError("something else")
        yield

    with pytest.raises(RuntimeError, match="^something else$"):
        list(batches_of(failing()))
