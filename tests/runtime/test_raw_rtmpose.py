"""RTMPose exported as MMDeploy does, without a Spec, runs as the torch model does."""

from pathlib import Path

import numpy as np
import pytest

from posedistill import Estimator
from posedistill.models import PoseModel, build
from posedistill.runtime.published import published_spec
from posedistill.runtime.session import OnnxSession
from tests.raw_export import AxesByName, export_raw
from tests.weight_rule import GAINS, fill

SIZE_WH = (192, 256)
BOXES = [[10, 20, 110, 220], [150, 0, 260, 290], [-20, 40, 80, 200], [300, 100, 420, 350]]
AXES_BY_NAME: dict[str, AxesByName] = {
    "batch of 1": {},
    "any batch": {name: {0: "batch"} for name in ("input", "simcc_x", "simcc_y")},
    "any batch and size": {
        "input": {0: "batch", 2: "height", 3: "width"},
        "simcc_x": {0: "batch"},
        "simcc_y": {0: "batch"},
    },
}


@pytest.fixture(scope="module")
def model() -> PoseModel:
    model = build("rtmpose-t", "wholebody133", SIZE_WH)
    fill(model, GAINS["t"])
    return model.eval()


@pytest.fixture(scope="module", params=AXES_BY_NAME)
def raw_file(
    request: pytest.FixtureRequest, model: PoseModel, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("raw") / "rtmpose-t.onnx"
    export_raw(model, path, dynamic_axes=AXES_BY_NAME[request.param])
    return path


def test_it_is_recognised(raw_file: Path) -> None:
    wanted = published_spec(SIZE_WH, 133, bins_xy=(384, 512))
    assert OnnxSession(raw_file).spec == wanted


def test_it_gives_the_poses_of_the_torch_model(
    raw_file: Path, model: PoseModel, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    wanted, seen = Estimator(model)(image, BOXES), Estimator(raw_file)(image, BOXES)
    assert wanted.scores.max() > 1  # there is something to compare
    # Two libraries sum in another order; scores reach 26, where that is 2e-4.
    np.testing.assert_allclose(seen.scores, wanted.scores, rtol=1e-4, atol=1e-4)
    # The same bins win, but for a near tie now and then.
    assert (seen.keypoints != wanted.keypoints).mean() < 0.01


def test_a_spec_of_another_size_is_refused(raw_file: Path) -> None:
    other = published_spec((288, 384), 133, bins_xy=(576, 768))
    message = r"the Spec says .* 384, 288\)|does not run on crops of 288x384"
    with pytest.raises(ValueError, match=message):
        OnnxSession(raw_file, spec=other)
