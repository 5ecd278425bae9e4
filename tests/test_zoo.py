import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch

from posedistill import zoo
from posedistill.models import MODELS, build
from posedistill.models.rtmpose import simcc_codec
from posedistill.skeleton import Skeleton
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec
from posedistill.zoo import Entry, WeightFile, choose_file, entries, find, names

TABLE = Path(zoo.__file__).parent / "assets" / "models.json"
HOSTS = {"download.openmmlab.com", "huggingface.co", "github.com"}
POSES = [entry for entry in entries() if entry.kind == "pose"]
DETECTORS = [entry for entry in entries() if entry.kind == "detector"]
FILES = [file for entry in entries() for file in entry.files]
every_entry = pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
every_pose = pytest.mark.parametrize("entry", POSES, ids=lambda entry: entry.name)
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.file_name)


def test_the_table_holds_what_is_published() -> None:
    for name in ("dwpose-t", "dwpose-s", "dwpose-m", "dwpose-l", "dwpose-l-384"):
        assert name in names()
    for name in ("rtmpose-l-ucoco", "rtmpose-x-ucoco", "rtmpose-x-ucoco-384"):  # the teachers
        assert name in names()
    assert len(names()) == len(set(names())) == len(POSES) + len(DETECTORS)


@every_entry
def test_every_name_finds_its_model_in_any_case(entry: Entry) -> None:
    for name in entry.all_names:
        assert find(name) == find(name.upper()) == entry


def test_no_name_is_that_of_two_models() -> None:
    counts = Counter(name.lower() for entry in entries() for name in set(entry.all_names))
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dw-ll_ucoco_384.onnx", "dwpose-l-384"),
        ("dw-ll_ucoco_384", "dwpose-l-384"),
        ("rtmpose-l_simcc-ucoco_dw-ucoco_270e-384x288-2438fd99_20230728.pth", "dwpose-l-384"),
        ("rtmpose-l_simcc-ucoco_dw-ucoco_270e-384x288-2438fd99_20230728.zip", "dwpose-l-384"),
        ("dwpose_l-ll_coco-ubody-384x288", "dwpose-l-384"),
        ("rtm-x_ucoco_384-f5b50679_20230822.pth", "rtmpose-x-ucoco-384"),
        ("yolox_m_8xb8-300e_humanart-c2c7a14a.onnx", "yolox-m-humanart"),
        ("yolox_l.onnx", "yolox-l"),
    ],
)
def test_published_names_are_known(name: str, expected: str) -> None:
    assert find(name).name == expected


@pytest.mark.parametrize(
    ("name", "near"), [("dwpose-l384", "dwpose-l-384"), ("rtmpse-m", "rtmpose-m")]
)
def test_a_misspelt_name_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=rf"'{name}'; nearest are .*{near}"):
        find(name)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(ValueError, match="known are dwpose-t, "):
        find("%%%")


def test_a_file_is_chosen_by_name_or_format_or_place() -> None:
    first, _, third, fourth = find("dwpose-l-384").files
    assert choose_file("dwpose-l-384") is first
    assert choose_file("dwpose-l-384", file_format="onnx") is third
    assert choose_file("dw-ll_ucoco_384.onnx") is third
    assert choose_file("dw-ll_ucoco_384", file_format="onnx") is third
    assert choose_file(f"{Path(fourth.file_name).stem}.zip") is fourth


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("rtmpose-m", "onnx"),
        ("yolox-l", "pth"),
        ("dwpose-t", "engine"),
        ("dw-tt_ucoco.pth", "onnx"),
    ],
)
def test_a_format_that_is_not_published_is_told(name: str, file_format: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is not published as '{file_format}', only as"):
        choose_file(name, file_format=file_format)


@every_pose
def test_our_build_has_the_parameters_of_the_table(entry: Entry) -> None:
    assert entry.skeleton is not None
    assert entry.architecture in MODELS
    with torch.device("meta"):
        model = build(entry.architecture, entry.skeleton, entry.input_size_wh)
    assert sum(parameter.numel() for parameter in model.parameters()) == entry.parameters


@every_pose
def test_the_spec_is_that_of_our_build(entry: Entry) -> None:
    spec = entry.spec(normalised=False)
    assert spec.codec == simcc_codec(entry.input_size_wh)
    assert (spec.architecture, spec.skeleton) == (entry.architecture, entry.skeleton)
    assert (spec.mean, spec.std) == (None, None)
    assert Spec.from_json(spec.to_json()) == spec


@every_pose
def test_the_spec_of_a_published_graph_normalises(entry: Entry) -> None:
    spec = entry.spec(normalised=True)
    assert (spec.mean, spec.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert spec.licence == "Apache-2.0"
    assert spec.data_card == entry.data_card


@pytest.mark.parametrize("entry", DETECTORS, ids=lambda entry: entry.name)
def test_a_detector_has_box_scores_and_no_spec(entry: Entry) -> None:
    assert entry.ap.box is not None
    assert (entry.skeleton, entry.sigma_xy, entry.parameters) == (None, None, None)
    with pytest.raises(ValueError, match=f"{entry.name} is a detector"):
        entry.spec(normalised=True)


@every_entry
def test_every_fact_has_its_source(entry: Entry) -> None:
    has_scores = any(score is not None for score in vars(entry.ap).values())
    assert ("no score published" in entry.source) == (not has_scores)
    assert "MMPose" in entry.source or "README.md" in entry.source
    assert entry.licence
    assert entry.data
    assert "check these before commercial use" in entry.data_card
    assert entry.files


@every_entry
def test_scores_are_per_cent(entry: Entry) -> None:
    ap = entry.ap
    known = [
        score
        for score in (ap.whole, ap.body, ap.foot, ap.face, ap.hand, ap.box, entry.ar_whole)
        if score is not None
    ]
    assert all(20 < score < 95 for score in known)
    if ap.whole is not None:
        assert entry.ar_whole is not None
        assert ap.whole < entry.ar_whole
    if entry.skeleton is not None and len(Skeleton.get(entry.skeleton)) == 17:
        assert ap.body is not None


def test_larger_models_of_a_family_are_published_with_higher_scores() -> None:
    family = [find(f"dwpose-{size}").ap for size in ("t", "s", "m", "l", "l-384")]
    for part in ("whole", "body", "foot", "face", "hand"):
        scores = [getattr(ap, part) for ap in family]
        assert scores == sorted(scores)


@every_file
def test_a_file_says_where_it_is(file: WeightFile) -> None:
    assert file.urls
    for url in file.urls:
        parts = urlsplit(url)
        assert (parts.scheme, parts.query, parts.fragment) == ("https", "", "")
        assert parts.hostname in HOSTS
        assert parts.path.endswith(".zip" if file.member else f".{file.format}")
    stem = Path(urlsplit(file.urls[0]).path).stem
    assert file.file_name == f"{stem}.{file.format}"
    assert file.format in zoo.FORMATS


@every_file
def test_what_is_known_of_a_file_is_well_formed(file: WeightFile) -> None:
    assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert file.size is None or file.size > 1_000_000
    assert file.checked is None or re.fullmatch(r"\d{4}-\d{2}-\d{2}", file.checked)


@every_file
def test_the_hash_in_a_name_begins_the_whole_hash(file: WeightFile) -> None:
    told = re.search(r"-([0-9a-f]{8})(_\d+)?\.pth$", file.file_name)
    if told is None:
        assert file.known_hash == file.sha256
    else:
        assert str(file.known_hash).startswith(told.group(1))


def test_no_file_is_listed_twice() -> None:
    counts = Counter(file.file_name.lower() for file in FILES)
    assert max(counts.values()) == 1


def test_sizes_fit_the_parameters() -> None:
    graphs = [
        (file.size, entry.parameters)
        for entry in POSES
        for file in entry.files
        if file.format == "onnx" and file.size is not None and entry.parameters is not None
    ]
    assert len(graphs) >= 4
    for size, parameters in graphs:  # float32; batch norms are folded, the graph itself is small
        assert 0.98 < size / (4 * parameters) < 1.02


def test_the_table_is_written_to_be_read() -> None:
    text = TABLE.read_text(encoding="utf-8")
    table = json.loads(text)
    assert {key for row in table["models"] for key in row["data"]} == set(table["data_sets"])
    assert text.isascii()
