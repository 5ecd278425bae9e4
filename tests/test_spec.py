import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posedistill.codecs import Codec, Heatmap, SimCC
from posedistill.skeleton import Skeleton
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

_SIGMAS = st.floats(0.1, 20)
_CODECS = st.one_of(
    st.builds(SimCC, st.sampled_from([(192, 256), (288, 384)]), st.tuples(_SIGMAS, _SIGMAS)),
    st.builds(Heatmap, st.sampled_from([(192, 256), (96, 128)]), _SIGMAS),
)
SPEC = Spec("rtmpose-t", "wholebody133", SimCC((192, 256), (4.9, 5.66)))


@given(
    codec=_CODECS,
    skeleton=st.sampled_from(Skeleton.names()),
    padding=st.floats(0.5, 3),
    has_mean=st.booleans(),
    card=st.text(),
)
def test_a_spec_survives_json(
    codec: Codec, skeleton: str, padding: float, has_mean: bool, card: str
) -> None:
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if has_mean else (None, None)
    spec = Spec("x", skeleton, codec, padding, mean, std, licence="CC0", data_card=card)
    assert Spec.from_json(spec.to_json()) == spec


def test_the_json_is_plain_and_says_its_version() -> None:
    record = json.loads(SPEC.to_json())
    assert record["version"] == 1
    assert record["codec"]["name"] == "simcc"
    assert record["codec"]["input_size_wh"] == [192, 256]


def test_the_input_size_is_that_of_the_codec() -> None:
    assert SPEC.input_size_wh == (192, 256)


def _changed(**changes: Any) -> str:  # Any: JSON of any kind, also wrong
    return json.dumps({**json.loads(SPEC.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a posedistill spec"),
        ("[]", "not a posedistill spec"),
        ("{}", "not a posedistill spec"),
        (_changed(codec={"name": "unheard"}), "not a posedistill spec"),
        (_changed(codec=None), "not a posedistill spec"),
        (_changed(version="one"), "not a posedistill spec"),
        (_changed(version=99), "newer"),
        (_changed(skeleton="unheard"), "unknown skeleton"),
        (_changed(surprise=1), "not a posedistill spec"),
    ],
    ids=[
        "broken JSON",
        "list",
        "empty",
        "unknown codec",
        "no codec",
        "version in words",
        "from the future",
        "unknown skeleton",
        "unknown field",
    ],
)
def test_text_that_is_no_spec_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Spec.from_json(text)


def test_a_newer_spec_is_told_from_a_broken_one_also_with_fields_of_its_own() -> None:
    with pytest.raises(ValueError, match="newer"):
        Spec.from_json(_changed(version=2, surprise=1, codec={"name": "from 2030"}))


def test_mean_without_std_is_refused() -> None:
    with pytest.raises(ValueError, match="mean and std"):
        Spec("x", "coco17", SPEC.codec, mean=IMAGENET_MEAN)
