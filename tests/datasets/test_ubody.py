"""UBody as published becomes frames and COCO-WholeBody files; what is missing is told."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av")

from posedistill.datasets.ubody import UBodySource, prepare_ubody
from posedistill.datasets.wholebody import FIELDS, read_wholebody
from posedistill.media import read_image
from posedistill.skeleton import Skeleton
from tests.ubody_tree import SIZE_WH, Tree, shown_index, write_good_tree, write_video

Content = dict[str, list[dict[str, Any]]]


def _source(tree: Tree) -> UBodySource:
    return UBodySource(tree.videos, tree.annotations)


def _read(path: Path) -> Content:
    content: Content = json.loads(path.read_text(encoding="utf-8"))
    return content


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return write_good_tree(tmp_path_factory.mktemp("UBody wie veröffentlicht"))


@pytest.fixture(scope="module")
def out(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fertig") / "mit Größe"
    before = _hashes(tree.root)
    report = prepare_ubody(_source(tree), out, workers=1)
    assert report.is_complete
    assert _hashes(tree.root) == before, "the published files were changed"
    return out


def _published_frames(tree: Tree) -> dict[tuple[str, int], int]:
    """Give the index that each kept image shows, by scene and published id."""
    places = [int(1.2 * index + 0.5) for index in range(60)]  # of frames at 25 a second, rounded
    at_25 = [max(i for i in range(60) if places[i] <= place) for place in range(72)]
    shown = {}
    for scene, rows in tree.rows.items():
        for row in rows["images"]:
            place = int(Path(row["file_name"]).stem) - 1
            index = at_25[place] if "talk" in row["file_name"] else place
            if row["id"] % 10 == 0:
                shown[scene, row["id"]] = index
    return shown


def test_every_tenth_image_id_is_there_and_shows_its_frame(tree: Tree, out: Path) -> None:
    found = {}
    for scene in tree.rows:
        for part in ("train", "test"):
            for row in _read(out / "annotations" / scene / f"{part}.json")["images"]:
                image = read_image(out / "images" / row["file_name"])
                assert (row["width"], row["height"]) == SIZE_WH == image.shape[1::-1]
                found[scene, row["id"]] = shown_index(image)
    expected = _published_frames(tree)
    assert len(expected) == 6 + 6 + 7
    assert found == expected


def test_no_other_frames_are_written(out: Path) -> None:
    written = {path.relative_to(out / "images").as_posix() for path in out.rglob("*.jpg")}
    joint = [_read(out / "annotations" / f"{part}.json") for part in ("train", "test")]
    assert written == {row["file_name"] for content in joint for row in content["images"]}
    assert "Magic_show/Küche mit Herd/000007.jpg" in written


def test_test_videos_are_split_off_by_the_name_before_trim(out: Path) -> None:
    folder = out / "annotations" / "Magic_show"
    train, test = _read(folder / "train.json"), _read(folder / "test.json")
    assert {Path(row["file_name"]).parent.name for row in train["images"]} == {"Küche mit Herd"}
    assert {Path(row["file_name"]).parent.name for row in test["images"]} == {"walk_Trim2"}
    assert not _read(out / "annotations" / "TalkShow" / "test.json")["images"]


def test_people_are_copied_with_all_fields(tree: Tree, out: Path) -> None:
    for scene, rows in tree.rows.items():
        published = {row["id"]: row for row in rows["annotations"] if row["image_id"] % 10 == 0}
        parts = [_read(out / "annotations" / scene / f"{part}.json") for part in ("train", "test")]
        people = [row for part in parts for row in part["annotations"]]
        assert {row["id"]: row for row in people} == published


def test_the_category_is_the_person_of_coco(out: Path) -> None:
    for path in (out / "annotations").rglob("*.json"):
        (category,) = _read(path)["categories"]
        assert (category["id"], category["name"]) == (1, "person")
        assert category["keypoints"] == list(Skeleton.get("coco17").joints)
        assert len(category["skeleton"]) == 19
        assert {joint for link in category["skeleton"] for joint in link} == set(range(1, 18))


def test_ids_of_the_joint_files_are_unique_and_tell_the_published_ones(
    tree: Tree, out: Path
) -> None:
    parts = [_read(out / "annotations" / f"{part}.json") for part in ("train", "test")]
    images = [row for part in parts for row in part["images"]]
    people = [row for part in parts for row in part["annotations"]]
    assert sorted(row["id"] for row in images) == list(range(1, len(images) + 1))
    assert sorted(row["id"] for row in people) == list(range(1, len(people) + 1))
    assert {(row["scene"], row["original_id"]) for row in images} == set(_published_frames(tree))
    by_id = {row["id"]: row for row in images}
    for row in people:
        image = by_id[row["image_id"]]
        assert row["original_image_id"] == image["original_id"]
        assert image["file_name"].split("/")[0] == row["scene"] == image["scene"]


def test_the_joint_file_is_read_as_wholebody(tree: Tree, out: Path) -> None:
    data = read_wholebody(out / "annotations" / "train.json", out / "images")
    assert len(data.instances) == 6 + 7
    rows = {row["id"]: row for row in _read(out / "annotations" / "train.json")["annotations"]}
    for instance in data.instances:
        original = rows[instance.annotation_id]
        published = next(
            row
            for row in tree.rows[original["scene"]]["annotations"]
            if row["id"] == original["original_id"]
        )
        points = np.concatenate([np.reshape(published[name], (-1, 3)) for name in FIELDS])
        np.testing.assert_array_equal(instance.keypoints, points[:, :2].astype(np.float32))
        assert data.image(instance.image_id).shape == (SIZE_WH[1], SIZE_WH[0], 3)


def test_the_report_counts_each_scene(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["is_complete"]
    assert report["problems"] == []
    assert [list(counts.values()) for counts in report["scenes"]] == [
        ["Magic_show", 2, 12, 12, 6, 6, 6, 6],
        ["TalkShow", 1, 7, 7, 7, 7, 0, 0],
    ]
    text = (out / "report.txt").read_text(encoding="utf-8")
    assert "nothing is missing" in text
    assert "published scenes that are not here: ConductMusic, " in text


def test_several_processes_give_the_same_files(tree: Tree, out: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    prepare_ubody(
        _source(tree), tmp_path / "out", workers=2, progress=lambda *told: seen.append(told)
    )
    assert _hashes(tmp_path / "out") == _hashes(out)
    assert [told for told in seen if told[0] == "Magic_show"] == [
        ("Magic_show", 0, 12),
        ("Magic_show", 6, 12),
        ("Magic_show", 12, 12),
    ]


def test_a_second_run_writes_no_frame_again(tree: Tree, tmp_path: Path) -> None:
    prepare_ubody(_source(tree), tmp_path, workers=1)
    hashes = _hashes(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    prepare_ubody(_source(tree), tmp_path, workers=1)
    assert _hashes(tmp_path) == hashes
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")} == times


def test_other_intervals_add_frames_and_leave_others_out_of_the_files(
    tree: Tree, tmp_path: Path
) -> None:
    for every, expected in ((30, 6), (10, 19), (30, 6)):
        report = prepare_ubody(_source(tree), tmp_path, every=every, workers=1)
        images = sum(counts.train_images + counts.test_images for counts in report.scenes)
        assert (images, report.is_complete) == (expected, True)
    assert len(list(tmp_path.rglob("*.jpg"))) == 19


def test_without_a_split_list_all_images_are_for_training(tree: Tree, tmp_path: Path) -> None:
    annotations = tmp_path / "apart"
    annotations.symlink_to(tree.annotations)
    report = prepare_ubody(UBodySource(tree.videos, annotations), tmp_path / "out", workers=1)
    assert not report.has_split
    assert sum(counts.test_images for counts in report.scenes) == 0
    assert "no list of test videos" in str(report)


def test_another_split_list_is_taken(tree: Tree, tmp_path: Path) -> None:
    np.save(tmp_path / "inter.npy", np.array(["Küche mit Herd"], object), allow_pickle=True)
    source = UBodySource(tree.videos, tree.annotations, tmp_path / "inter.npy")
    report = prepare_ubody(source, tmp_path / "out", workers=1)
    assert [counts.test_images for counts in report.scenes] == [6, 0]
    folder = tmp_path / "out" / "annotations" / "Magic_show"
    assert "Küche" in _read(folder / "test.json")["images"][0]["file_name"]


@pytest.fixture
def faulty_tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "UBody")
    for name in ("good", "short", "unused", "double.a", "double.b"):
        write_video(tree.videos / "Movie" / f"{name}.mp4")
    (tree.videos / "Movie" / "broken.mp4").write_bytes(b"\0" * 999)
    (tree.videos / "Movie" / ".hidden").write_bytes(b"")
    (tree.videos / "Speech").mkdir()
    for index, name in enumerate(("short", "double", "broken", "gone")):
        tree.annotate("Movie", name, numbers=range(1, 101), first_id=1000 * (index + 1))
    tree.annotate("Movie", "good", numbers=range(1, 61), first_id=10)
    rows = tree.rows["Movie"]
    rows["images"][-60]["width"] += 1
    rows["images"] += [
        {"id": 9000, "file_name": "../../evil/000001.png"},
        {"id": 9010},
        rows["images"][0],
    ]
    rows["annotations"] += [{"id": 1, "image_id": 10}, {**rows["annotations"][0], "image_id": 5}]
    tree.save()
    (tree.annotations / "Fitness").mkdir()
    (tree.annotations / "Fitness" / "keypoint_annotation.json").write_text("{", encoding="utf-8")
    return tree


def test_the_rest_is_done_when_much_is_missing(faulty_tree: Tree, tmp_path: Path) -> None:
    tree = faulty_tree
    report = prepare_ubody(_source(tree), tmp_path / "out", workers=1)
    assert not report.is_complete
    assert [(p.kind, p.scene, p.subject, p.count) for p in report.problems] == [
        ("no annotations", "Fitness", "keypoint_annotation.json", 0),
        ("unusable row", "Movie", "keypoint_annotation.json images", 3),
        ("unusable row", "Movie", "keypoint_annotation.json annotations", 2),
        ("ambiguous video", "Movie", "double", 10),
        ("no video", "Movie", "gone", 10),
        ("unused video", "Movie", "unused", 0),
        ("broken video", "Movie", "broken", 10),
        ("beyond the end", "Movie", "short", 4),
        ("other size", "Movie", "good", 1),
        ("no annotations", "Speech", "keypoint_annotation.json", 0),
    ]
    (counts,) = report.scenes
    assert (counts.frames_wanted, counts.frames, counts.train_people) == (46, 12, 12)
    data = read_wholebody(tmp_path / "out" / "annotations" / "train.json", tmp_path / "out/images")
    assert len(data.instances) == 12
    text = (tmp_path / "out" / "report.txt").read_text(encoding="utf-8")
    assert "beyond the end: Movie/short (4): it has 60 frames, wanted up to 91" in text
    assert not (tmp_path / "evil").exists()


def test_an_unused_video_leaves_nothing_undone(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "UBody")
    write_video(tree.videos / "Movie" / "one.mp4")
    write_video(tree.videos / "Movie" / "two.mp4")
    tree.annotate("Movie", "one", numbers=range(1, 11), first_id=1)
    tree.save()
    report = prepare_ubody(_source(tree), tmp_path / "out", workers=1)
    assert [problem.kind for problem in report.problems] == ["unused video"]
    assert report.is_complete


def test_a_repaired_video_is_done_by_the_next_run(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "UBody")
    video = tree.videos / "Movie" / "one.mp4"
    write_video(video)
    whole = video.read_bytes()
    video.write_bytes(whole[:-500])
    tree.annotate("Movie", "one", numbers=range(1, 21), first_id=1)
    tree.save()
    assert not prepare_ubody(_source(tree), tmp_path / "out", workers=1).is_complete
    video.write_bytes(whole)
    assert prepare_ubody(_source(tree), tmp_path / "out", workers=1).is_complete


def test_both_ways_to_store_an_umlaut_are_the_same_video(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "UBody")
    write_video(tree.videos / "Movie" / "Ku\N{COMBINING DIAERESIS}che.mp4")
    tree.annotate("Movie", "Küche", numbers=range(1, 11), first_id=1)
    tree.save()
    assert prepare_ubody(_source(tree), tmp_path / "out", workers=1).is_complete


@pytest.mark.parametrize("inside", ["", "annotations/new", "videos"])
def test_results_are_not_mixed_with_the_published_files(tree: Tree, inside: str) -> None:
    before = _hashes(tree.root)
    with pytest.raises(ValueError, match="would mix results with the published"):
        prepare_ubody(_source(tree), tree.root / inside, workers=1)
    assert _hashes(tree.root) == before


@pytest.mark.parametrize(("every", "workers"), [(0, 1), (10, 0), (-1, -1)])
def test_numbers_below_one_are_refused(
    tree: Tree, tmp_path: Path, every: int, workers: int
) -> None:
    with pytest.raises(ValueError, match="both must be at least 1"):
        prepare_ubody(_source(tree), tmp_path, every=every, workers=workers)


def test_wrong_folders_are_named(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no SCENE/keypoint_annotation\.json below"):
        prepare_ubody(UBodySource(tree.videos, tree.videos), tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*nowhere"):
        prepare_ubody(UBodySource(tmp_path / "nowhere", tree.annotations), tmp_path / "out")
    source = UBodySource(tree.videos, tree.annotations, tmp_path / "none.npy")
    with pytest.raises(FileNotFoundError, match=r"no such split list: .*none\.npy"):
        prepare_ubody(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
