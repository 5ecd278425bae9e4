"""Training on a GPU: what the other tests show on the CPU holds there too."""

from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.codecs import Codec, Heatmap, SimCC
from posedistill.datasets.drawn import DrawnPeople
from posedistill.losses import heatmap_mse, simcc_kl
from posedistill.train.augment import AugmentConfig
from posedistill.train.device_targets import encode
from posedistill.train.fit import fit
from posedistill.train.resident import read_people
from posedistill.train.resident_batches import vary
from tests.train.tiny import losses, state, tiny

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("resident", ["true", "false"])
@pytest.mark.parametrize("name", ["drawn-pretrain-n", "drawn-rtmpose-n"])
def test_a_run_learns_and_goes_on(tmp_path: Path, name: str, resident: str) -> None:
    recipe = tiny(name, "precision=auto", f"resident={resident}", "epochs=20", "evaluate_every=20")
    fit(recipe, tmp_path, stop_at=8)
    model = fit(recipe, tmp_path)
    assert all(value.isfinite().all() for value in state(tmp_path).values())
    assert next(model.parameters()).device.type == "cpu"
    seen = losses(tmp_path)
    assert seen[-1] < seen[0]


def test_stage_two_trains_its_head_where_the_batches_are(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "one")
    teacher = f"objective.teacher={tmp_path / 'one'}"
    fit(tiny("drawn-stage2-n", teacher, "resident=true"), tmp_path / "two")
    assert losses(tmp_path / "two")[-1] < losses(tmp_path / "two")[0]


@pytest.mark.parametrize("codec", [SimCC((48, 64), (2.4, 2.8)), Heatmap((48, 64))], ids=str)
def test_targets_are_those_of_the_cpu(codec: Codec) -> None:
    rng = np.random.default_rng(0)
    keypoints = torch.from_numpy(rng.uniform(-20, 80, (4, 50, 2)).astype(np.float32))
    visible = torch.ones(4, 50)
    wanted, wanted_weights = encode(codec, keypoints, visible)
    targets, weights = encode(codec, keypoints.cuda(), visible.cuda())
    assert torch.equal(weights.cpu(), wanted_weights)
    for target, want in zip(targets, wanted, strict=True):
        assert torch.allclose(target.cpu(), want, atol=1e-5)


def test_crops_are_those_of_the_cpu() -> None:
    data = DrawnPeople(6, seed=3, size=96)
    config = AugmentConfig(blur=0.5, median_blur=0.5, grey=0.5, coarse=0.5)
    crops = []
    for device in (torch.device("cpu"), torch.device("cuda")):
        people = read_people(data, (48, 64), device=device)
        rows = torch.arange(6, device=device)
        varied = vary(
            people,
            rows,
            size_wh=(48, 64),
            config=config,
            generator=torch.Generator(),
        )
        crops.append(varied[0].cpu().float())
    assert float((crops[0] - crops[1]).abs().mean()) < 0.5


def test_losses_are_those_of_the_cpu() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, targets = torch.rand(2, 3, 5, 8, 6, generator=generator)
    weights = torch.tensor([[1.0, 0, 1, 0, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])
    wanted = heatmap_mse(maps, targets, weights)
    seen = heatmap_mse(maps.cuda(), targets.cuda(), weights.cuda())
    assert float(seen) == pytest.approx(float(wanted), rel=1e-5)
    rows = maps.flatten(2), maps.flatten(2) / 2, targets.flatten(2), targets.flatten(2) / 3
    wanted = simcc_kl(*rows, weights)
    x, y, target_x, target_y = (row.cuda() for row in rows)
    seen = simcc_kl(x, y, target_x, target_y, weights.cuda())
    assert float(seen) == pytest.approx(float(wanted), rel=1e-4)
