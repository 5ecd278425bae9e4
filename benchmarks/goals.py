"""Goals of benchmarks: what was to be reached, what was measured and, where it fell short, why."""

from collections.abc import Sequence
from typing import NamedTuple

HEADINGS = ("goal", "wanted", "measured", "met")


class Goal(NamedTuple):
    """Hold one goal.

    Attributes:
        name: of what is measured. wanted, measured: in words, with units. is_met: whether it is
        reached. limit: what keeps it from that, as far as it was found; shown where it is not.
    """

    name: str
    wanted: str
    measured: str
    is_met: bool
    limit: str = ""


def print_goals(goals: Sequence[Goal]) -> None:
    """Print a Markdown table, and the limits of the goals that are not met."""
    if not goals:
        return
    print(f"\n| {' | '.join(HEADINGS)} |\n| --- | --- | --- | --- |")
    for goal in goals:
        met = "yes" if goal.is_met else "no"
        print(f"| {goal.name} | {goal.wanted} | {goal.measured} | {met} |")
    missed = [goal for goal in goals if goal.limit and not goal.is_met]
    if missed:
        print("\nThe limits found:\n")
    for goal in missed:
        print(f"- {goal.name}: {goal.limit}")
