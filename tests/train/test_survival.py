"""Survival: runs that are killed, or lose a process, end as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from posedistill.models import load
from posedistill.train.fit import fit
from posedistill.train.recipe import Recipe
from tests.train.test_faults import poisoned
from tests.train.tiny import largest_difference, losses, state, tiny

ROOT = Path(__file__).resolve().parents[2]
_LONGEST = 120.0  # seconds to wait for a saved state


def killed_often() -> Recipe:
    """Give a run of 24 steps that saves every second one and evaluates twice."""
    return tiny("drawn-rtmpose-n", "epochs=6", "evaluate_every=3", "num_workers=1")


def kill_five_times(run_dir: Path) -> None:
    """Start a run five times and kill it, each time at a random moment after a new state."""
    rng = random.Random(7)
    for _ in range(5):
        process = os.fork()
        if process == 0:
            fit(killed_often(), run_dir)
            os._exit(0)
        _wait_for_states(run_dir / "last.pt", rng.randint(1, 2))
        time.sleep(rng.uniform(0, 0.3))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), "the run was over before it could be killed"
    fit(killed_often(), run_dir)


def _wait_for_states(path: Path, count: int) -> None:
    """Wait until the file was replaced so many times."""
    deadline = time.monotonic() + _LONGEST
    seen = _inode(path)
    while count and time.monotonic() < deadline:
        now = _inode(path)
        count -= now != seen
        seen = now
        time.sleep(0.01)


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def restarted() -> Recipe:
    """Give a run of 8 steps whose learning rate is that of a real one."""
    return tiny("drawn-rtmpose-n", "epochs=2", "optim.warmup_steps=100")


def lose_a_process(run_dir: Path) -> None:
    """Run on; at the first start, the second process is killed once a new state is saved."""
    if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        threading.Thread(target=_die_after_a_state, args=(run_dir / "last.pt",)).start()
    fit(restarted(), run_dir)


def _die_after_a_state(path: Path) -> None:
    _wait_for_states(path, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def leave_bad_steps_out(run_dir: Path) -> None:
    """Take the steps of a run two of which are not finite."""
    fit(poisoned("epochs=2", "max_bad_steps=2", "optim.warmup_steps=100"), run_dir)


def _run(name: str, run_dir: Path, *, launcher: list[str]) -> str:
    """Call a function of this file in processes of its own; give what they say."""
    script = run_dir.with_suffix(".py")
    script.write_text(
        "import logging, sys\nfrom pathlib import Path\n"
        f"from tests.train import test_survival\nlogging.basicConfig(level=logging.INFO)\n"
        f"test_survival.{name}(Path(sys.argv[1]))\n",
        encoding="utf-8",
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, *launcher, str(script), str(run_dir)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stderr


def _two_processes(*more: str) -> list[str]:
    return ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *more]


@pytest.mark.slow
def test_a_run_killed_five_times_ends_with_the_weights_of_the_unbroken_one(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    fit(killed_often(), whole)
    _run("kill_five_times", broken, launcher=[])
    assert largest_difference(state(whole), state(broken)) <= 1e-6
    best, other = load(whole).state_dict(), load(broken).state_dict()
    assert largest_difference(best, other) <= 1e-6
    assert losses(whole) == pytest.approx(losses(broken), rel=1e-5)
    assert not list(broken.glob("*.partial"))


@pytest.mark.slow
def test_a_lost_process_is_started_again_and_goes_on_from_the_last_state(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    fit(restarted(), whole)
    fit(restarted(), broken, stop_at=2)
    told = _run("lose_a_process", broken, launcher=_two_processes("--max-restarts=1"))
    assert "changed since the run was last at work: processes 1 -> 2" in told
    assert told.count("resumed ") == 2
    assert largest_difference(state(whole), state(broken)) <= 1e-5


@pytest.mark.slow
def test_processes_leave_out_a_step_together(tmp_path: Path) -> None:
    leave_bad_steps_out(tmp_path / "one")
    _run("leave_bad_steps_out", tmp_path / "two", launcher=_two_processes())
    assert largest_difference(state(tmp_path / "one"), state(tmp_path / "two")) <= 1e-5
