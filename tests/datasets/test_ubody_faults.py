"""Kills, full disks and dying processes leave a good state, from which the next run goes on."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("av")

from posedistill.datasets.ubody import UBodySource, prepare_ubody
from posedistill.datasets.ubody_frames import VideoResult, VideoTask
from posedistill.datasets.ubody_workers import extract_videos
from tests.ubody_tree import NUM_FRAMES, Tree, write_video

NUM_VIDEOS, EVERY = 6, 2
NUM_KEPT = NUM_VIDEOS * NUM_FRAMES // EVERY
PROGRAM = """
import resource, sys
from pathlib import Path
from posedistill.datasets.ubody import UBodySource, prepare_ubody
root, out, workers, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
source = UBodySource(Path(root, "videos"), Path(root, "annotations"))
prepare_ubody(source, Path(out), every=2, workers=int(workers))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree(tmp_path_factory.mktemp("UBody"))
    for index in range(NUM_VIDEOS):
        scene, name = ("Movie", "Speech")[index % 2], f"Größe {index}"
        write_video(tree.videos / scene / f"{name}.mp4")
        numbers = range(1, NUM_FRAMES + 1)
        tree.annotate(scene, name, numbers=numbers, first_id=1 + 100 * index)
    tree.save(["Größe 3"])
    return tree


@pytest.fixture(scope="module")
def unbroken(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("unbroken")
    source = UBodySource(tree.videos, tree.annotations)
    assert prepare_ubody(source, out, every=EVERY, workers=1).is_complete
    return _files(out)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _start(tree: Tree, out: Path, *, workers: int, limit: int = 0) -> subprocess.Popen[str]:
    words = [str(tree.root), str(out), str(workers), str(limit)]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _wait_for_frames(out: Path, *, count: int) -> None:
    end = time.monotonic() + 60
    while sum(1 for _ in out.rglob("*.jpg")) < count:
        assert time.monotonic() < end, "no frames within a minute"
        time.sleep(0.001)


def _processes_of_group(group: int) -> list[int]:
    """Give the processes of a group that still run, from /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize(("workers", "counts"), [(1, [10]), (2, [1, 45])])
def test_killed_over_and_over_it_ends_with_the_same_bytes(
    tree: Tree, unbroken: dict[str, bytes], tmp_path: Path, workers: int, counts: list[int]
) -> None:
    for count in counts:
        process = _start(tree, tmp_path, workers=workers)
        _wait_for_frames(tmp_path, count=count)
        process.kill()
        process.communicate()
        _await_end_of_group(process.pid)
        frames = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
        assert count <= len(frames) < NUM_KEPT, "killed too late to show anything"
    assert not (tmp_path / "report.json").exists()
    source = UBodySource(tree.videos, tree.annotations)
    assert prepare_ubody(source, tmp_path, every=EVERY, workers=workers).is_complete
    assert _files(tmp_path) == unbroken
    assert {path: path.stat().st_mtime_ns for path in frames} == frames, "work was done twice"


def _await_end_of_group(group: int) -> None:
    """Wait until the workers of a killed run have noticed."""
    end = time.monotonic() + 30
    while Path("/proc").is_dir() and _processes_of_group(group):
        assert time.monotonic() < end, "workers outlive the process that started them"
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_told_and_the_next_run_goes_on(
    tree: Tree, unbroken: dict[str, bytes], tmp_path: Path, workers: int
) -> None:
    sizes = sorted(len(data) for name, data in unbroken.items() if name.endswith(".jpg"))
    process = _start(tree, tmp_path, workers=workers, limit=sizes[len(sizes) // 2])
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "no space left for" in told.splitlines()[-1]
    assert "make room and run the same again" in told.splitlines()[-1]
    left = _files(tmp_path)
    images = {name: data for name, data in left.items() if name.endswith(".jpg")}
    assert 0 < len(images) < NUM_KEPT
    assert images == {name: unbroken[name] for name in images}
    assert not [name for name in left if name.endswith(".part")]
    source = UBodySource(tree.videos, tree.annotations)
    prepare_ubody(source, tmp_path, every=EVERY, workers=1)
    assert _files(tmp_path) == unbroken


def test_an_interrupt_ends_all_processes_at_once(tree: Tree, tmp_path: Path) -> None:
    process = _start(tree, tmp_path, workers=2)
    _wait_for_frames(tmp_path, count=1)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert told.splitlines()[-1] == "KeyboardInterrupt"
    _await_end_of_group(process.pid)


def test_a_killed_worker_costs_nothing_but_time(
    tree: Tree, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(_scene: str, done: int, _wanted: int) -> None:
        if done and not killed:
            victim = multiprocessing.active_children()[0]
            killed.append(victim.pid or 0)
            victim.kill()

    source = UBodySource(tree.videos, tree.annotations)
    report = prepare_ubody(source, tmp_path, every=EVERY, workers=2, progress=kill_one)
    assert killed
    assert report.is_complete
    assert _files(tmp_path) == unbroken


def test_a_video_that_ends_its_process_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    write_video(tmp_path / "bad.mp4", indices=[index % 60 for index in range(2000)])
    write_video(tmp_path / "good.mp4")
    tasks = [
        VideoTask(tmp_path / f"{name}.mp4", tmp_path / name, tmp_path / f"{name}.json", (number,))
        for name, number in (("bad", 2000), ("good", 7))
    ]
    results: dict[str, VideoResult] = {}
    is_over = threading.Event()

    def kill_who_begins_bad() -> None:
        while not is_over.wait(0.001):
            if tasks[0].record.exists():
                for child in multiprocessing.active_children():
                    child.kill()
                    child.join()
                tasks[0].record.unlink(missing_ok=True)

    killer = threading.Thread(target=kill_who_begins_bad)
    killer.start()
    try:
        extract_videos(
            tasks,
            workers=2,
            done=lambda task, result: results.update({task.video.stem: result}),
        )
    finally:
        is_over.set()
        killer.join()
    assert results["bad"].error == "decoding it ended the process, twice"
    assert list(results["good"].sizes_wh) == [7]
