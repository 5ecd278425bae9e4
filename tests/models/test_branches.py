"""Branched models: what is shared, what reaches the ensemble, and the models that come out."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from posedistill.models import build, load, save
from posedistill.models.branches import AggregationUnit, BranchedModel, Ensemble, Unit
from posedistill.models.hourglass import Stack

SIZE_WH = (64, 64)
HOURGLASS, SIMCC = "hourglass-4-narrow", "rtmpose-n"


def _network(
    *names: str, num_shared: int = 0, unit: Unit = "published", skeleton: str = "coco17"
) -> BranchedModel:
    torch.manual_seed(0)
    models = [build(name, skeleton, SIZE_WH) for name in names]
    return BranchedModel(models, num_shared=num_shared, unit=unit).eval()


def _images(count: int = 2) -> Tensor:
    return torch.randint(
        0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _shift(module: nn.Module) -> None:
    """Change what a layer gives by a constant."""
    assert isinstance(module, nn.Conv2d | nn.Linear)
    assert module.bias is not None
    with torch.no_grad():
        module.bias += 1


def test_balanced_branches_on_two_shared_stacks_have_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        models = [build("hourglass-4", "mpii16", (256, 256)) for _ in range(3)]
        network = BranchedModel(models, unit="released")
    assert network.unit is not None
    assert _num_parameters(network.unit) == 5_461_360
    assert _num_parameters(network) == 30_915_696


@pytest.mark.parametrize("name", [HOURGLASS, SIMCC])
def test_a_branch_as_a_model_gives_what_the_branch_gives(name: str) -> None:
    network = _network(name, name, name)
    with torch.no_grad():
        outputs = network(_images())
        for index, branch in enumerate(outputs.branches):
            for one, other in zip(network.model(index)(_images()), branch[-1], strict=True):
                torch.testing.assert_close(one, other)


def test_early_outputs_of_a_branch_are_those_of_its_model() -> None:
    network = _network(HOURGLASS, HOURGLASS)
    with torch.no_grad():
        outputs = network(_images())
        model = network.model(1)
        early = model.early_outputs(model.features(_images()))
    assert [len(outputs.shared), len(outputs.branches[1]), len(early)] == [2, 2, 3]
    for (one,), (other,) in zip(early, [*outputs.shared, outputs.branches[1][0]], strict=True):
        torch.testing.assert_close(one, other)


def test_a_model_of_a_branch_shares_its_weights_and_costs_what_the_plain_one_does() -> None:
    network = _network(HOURGLASS, HOURGLASS)
    model, plain = network.model(1), build(HOURGLASS, "coco17", SIZE_WH)
    assert _num_parameters(model) == _num_parameters(plain)
    assert model.state_dict().keys() == plain.state_dict().keys()
    before = model(_images())[0].detach().clone()
    _shift(network.branch(1).head.get_submodule("score"))
    torch.testing.assert_close(model(_images())[0], before + 1)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_the_last_output_of_each_branch_reaches_the_ensemble_by_its_weight(changed: int) -> None:
    network = _network(HOURGLASS, HOURGLASS, HOURGLASS)
    with torch.no_grad():
        before = network(_images())
        _shift(network.branch(changed).head.get_submodule("score"))
        after = network(_images())
    weights = before.weights[:, changed, :, None, None]
    assert float(weights.min()) > 0.1
    torch.testing.assert_close(after.ensemble[0], before.ensemble[0] + weights)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_an_early_output_of_a_branch_does_not_reach_the_ensemble(changed: int) -> None:
    network = _network(HOURGLASS, HOURGLASS, HOURGLASS)
    stack = network.branch(changed).stages[0]
    assert isinstance(stack, Stack)
    assert stack.link is not None
    with torch.no_grad():
        # What the next stack sees of the output is not the question here.
        stack.link.from_score.weight.zero_()
        before = network(_images())
        _shift(stack.link.score)
        after = network(_images())
    torch.testing.assert_close(after.branches[changed][0][0], before.branches[changed][0][0] + 1)
    torch.testing.assert_close(after.ensemble[0], before.ensemble[0])


def test_the_ensemble_weighs_each_joint_of_simcc_logits() -> None:
    network = _network(SIMCC, SIMCC, SIMCC)
    with torch.no_grad():
        outputs = network(_images())
        by_itself = Ensemble(network)(_images())
    torch.testing.assert_close(outputs.weights.sum(dim=1), torch.ones(2, 17))
    for axis in (0, 1):
        wanted = sum(
            outputs.weights[:, index, :, None] * branch[-1][axis]
            for index, branch in enumerate(outputs.branches)
        )
        torch.testing.assert_close(outputs.ensemble[axis], wanted)
        torch.testing.assert_close(by_itself[axis], outputs.ensemble[axis])


def test_plain_averaging_has_no_unit_and_gives_the_mean() -> None:
    network = _network(SIMCC, SIMCC, unit="mean")
    assert network.unit is None
    with torch.no_grad():
        outputs = network(_images())
    mean = (outputs.branches[0][-1][0] + outputs.branches[1][-1][0]) / 2
    torch.testing.assert_close(outputs.ensemble[0], mean)


def test_unbalanced_branches_share_stem_and_two_stacks() -> None:
    names = ("hourglass-3-narrow", HOURGLASS)
    network = _network(*names, num_shared=3)
    assert [len(network.branch(index).stages) for index in (0, 1)] == [1, 2]
    outputs = network(_images())
    assert [len(branch) for branch in outputs.branches] == [1, 2]
    assert [network.model(index).spec.architecture for index in (0, 1)] == list(names)


def test_rtmpose_can_be_shared_up_to_a_stage() -> None:
    whole, part = _network(SIMCC, SIMCC), _network(SIMCC, SIMCC, num_shared=4)
    assert [len(whole.branch(index).stages) for index in (0, 1)] == [0, 0]
    assert [len(part.branch(index).stages) for index in (0, 1)] == [1, 1]
    one, other = part.model(0).backbone, part.model(1).backbone
    assert one.stage3 is other.stage3
    assert one.stage4 is not other.stage4


def test_the_unit_looks_at_the_stem_of_an_hourglass_and_at_the_end_of_a_backbone() -> None:
    hourglass, backbone = _network(HOURGLASS, HOURGLASS), _network(SIMCC, SIMCC)
    seen: list[torch.Size] = []
    for network in (hourglass, backbone):
        assert network.unit is not None
        network.unit.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
        network(_images())
    assert seen == [(2, 64, 16, 16), (2, 256, 2, 2)]


@pytest.mark.parametrize("is_released", [False, True])
def test_the_unit_gives_weights_by_the_formula(is_released: bool) -> None:
    torch.manual_seed(0)
    unit = AggregationUnit(4, num_branches=2, num_joints=3, is_released=is_released).eval()
    x = torch.randn(2, 4, 5, 6)
    pooled = []
    for path in unit.paths:
        assert isinstance(path, nn.Sequential)
        convolved = path[0](x)
        norm = path[1]
        assert isinstance(norm, nn.BatchNorm2d)
        after = torch.relu(convolved / (1 + norm.eps) ** 0.5)  # fresh statistics
        pooled.append((after if is_released else path[3](after)).mean(dim=(2, 3)))
    if is_released:
        vector = pooled[0] + pooled[1] + pooled[2]
    else:
        assert isinstance(unit.average, nn.Conv2d)
        weight, bias = unit.average.weight[:, :, 0, 0], unit.average.bias
        assert bias is not None
        mean = x.mean(dim=(2, 3)) @ weight.T + bias
        vector = torch.cat([*pooled, mean], dim=1)
    votes = [vote(unit.squeeze(vector)) for vote in unit.votes]
    first = 1 / (1 + torch.exp(votes[1] - votes[0]))  # a softmax over two
    torch.testing.assert_close(unit(x), torch.stack([first, 1 - first], dim=1))


def test_wide_maps_are_narrowed_before_the_unit() -> None:
    with torch.device("meta"):
        unit = AggregationUnit(768, num_branches=2, num_joints=17)
    assert unit.paths[0][0].weight.shape == (256, 256, 3, 3)  # type: ignore[index]


def test_a_branch_goes_to_a_file_and_back(tmp_path: Path) -> None:

    network = _network("hourglass-2-narrow", "hourglass-2-narrow")
    save(network.model(1), tmp_path / "branch.safetensors")
    again = load(tmp_path / "branch.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(again(_images()), network.model(1)(_images()))


def test_a_copied_network_shares_nothing_with_the_first() -> None:
    network = _network(SIMCC, SIMCC)
    other = copy.deepcopy(network)
    before = network.model(0)(_images())[0].detach().clone()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    torch.testing.assert_close(network.model(0)(_images())[0], before)


@pytest.mark.parametrize(
    ("names", "num_shared", "told"),
    [
        ((SIMCC,), 0, "1 branch; online distillation takes two or more"),
        ((SIMCC, HOURGLASS), 0, "cannot be a branch beside rtmpose-n"),
        ((SIMCC, "rtmpose-t"), 0, "cannot share 5 stages"),
        ((SIMCC, SIMCC), 6, "rtmpose-n has 5, the stem counted"),
        (("hourglass-1-narrow", "hourglass-2-narrow"), 2, "cannot share 2 stages"),
    ],
)
def test_networks_that_cannot_share_are_refused(
    names: tuple[str, ...], num_shared: int, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        _network(*names, num_shared=num_shared)


def test_an_unknown_unit_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'median'; expected one of published, released, mean"):
        _network(SIMCC, SIMCC, unit="median")  # type: ignore[arg-type]  # what is tested
