"""What is to be reached, and whether it is: rows of the one table of ``python -m bench``."""

from collections.abc import Iterable
from dataclasses import dataclass

HEAD = (
    "| goal | what | wanted | measured | yardstick, in the same run | ratio | met |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Goal:
    """One row.

    Attributes:
        group: which goal of docs/performance.md it belongs to.
        what: what is measured.
        measured: the figure, in ``unit``.
        most, least: what it may be at most, or must be at least; None where that is no matter.
        yard: the yardstick's figure, in the same unit; None where there is none.
        of_yard: ``most`` and ``least`` are meant as ratios to the yardstick.
        yardstick: what it is.
    """

    group: int
    what: str
    measured: float
    unit: str
    most: float | None = None
    least: float | None = None
    yard: float | None = None
    of_yard: bool = False
    yardstick: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure against the yardstick's."""
        return self.measured / self.yard if self.yard else None

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        value = self.ratio if self.of_yard else self.measured
        if value is None:
            return False
        enough = self.least is None or value >= self.least
        return enough and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        unit = "of the yardstick" if self.of_yard else self.unit
        bounds = [
            f"{word} {_number(bound)} {unit}"
            for word, bound in (("at least", self.least), ("at most", self.most))
            if bound is not None
        ]
        yard = "" if self.yard is None else f"{self.yardstick}: {_number(self.yard)} {self.unit}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        wanted, met = " and ".join(bounds), "yes" if self.met else "NO"
        figure = f"{_number(self.measured)} {self.unit}"
        cells = [str(self.group), self.what, wanted, figure, yard, ratio, met]
        return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def show(goals: Iterable[Goal]) -> int:
    """Print the rows as they come; returns how many are not met."""
    missed = 0
    for goal in goals:
        missed += not goal.met
        print(goal, flush=True)
    return missed
