"""Limits of a run: time, idleness, log size, memory. Each is off until somebody sets it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from sessions_app import units
from sessions_app.errors import Invalid

#: A log is cut in whole blocks of the file system; below this there is nothing left to keep.
MIN_LOG_SIZE = 64 * 1024
#: A limit of this word is off, whatever the profile or the settings say.
OFF = ("off", "none", "0")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; None is no limit.

    Attributes:
        run_time: seconds since its launch, pauses left out.
        idle_time: seconds without output and without use of the processor.
        log_size: bytes of disk that its log may take; the run goes on, the log is cut.
        memory: bytes of memory of its whole process tree.
    """

    run_time: float | None = None
    idle_time: float | None = None
    log_size: int | None = None
    memory: int | None = None

    @classmethod
    def stored(cls, value: object) -> "Limits":
        """Limits as a row has them (:meth:`as_json`); what was edited into nonsense is no limit."""
        found = value if isinstance(value, dict) else {}
        if not found:
            return _NONE
        known = {name: found.get(name) for name in NAMES}
        return cls(**{n: v for n, v in known.items() if _is_amount(v)})

    def as_json(self) -> dict[str, float | int | None]:
        """Every limit by its name: seconds or bytes, or None."""
        return {
            "run_time": self.run_time,
            "idle_time": self.idle_time,
            "log_size": self.log_size,
            "memory": self.memory,
        }

    def with_overrides(self, wanted: Mapping[str, object] | None, where: str = "") -> "Limits":
        """These limits with those of ``wanted`` in their place.

        Args:
            wanted: limits by name: a number, text with a unit, or ``off`` (also None, 0 and
                ``none``) for no limit.
            where: what a complaint begins with.

        Raises:
            Invalid: a name or a value that cannot be understood.
        """
        return replace(self, **_parse(wanted or {}, where))  # type: ignore[arg-type]  # by name


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


_NONE = Limits()
NAMES = tuple(field.name for field in fields(Limits))


def _parse(wanted: Mapping[str, object], where: str) -> dict[str, float | int | None]:
    parsed: dict[str, float | int | None] = {}
    for given, value in wanted.items():
        name = str(given).replace("-", "_")
        what = f"{where}the limit {name}"
        if name not in NAMES:
            known = ", ".join(NAMES)
            raise Invalid(f"{where}there is no limit {str(given)[:40]!r}; choose from {known}")
        off = value is None or (type(value) in (int, float) and value == 0)
        if off or (isinstance(value, str) and value.strip().lower() in OFF):
            parsed[name] = None
        elif name in ("run_time", "idle_time"):
            parsed[name] = units.seconds(value, what)
        else:
            parsed[name] = units.size(value, what)
    log_size = parsed.get("log_size")
    if log_size is not None and log_size < MIN_LOG_SIZE:
        raise Invalid(f"{where}the limit log_size must be at least {MIN_LOG_SIZE:,} bytes")
    return parsed
