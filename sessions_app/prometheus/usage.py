"""What all runs use together, by the last sample of each (sessions_app.telemetry)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sessions_app.telemetry import samples


@dataclass(slots=True)
class Usage:
    """Sums over the runs that have been sampled; what is not known of one counts as nothing."""

    sampled: int = 0
    cores: float = 0.0
    memory: int = 0
    processes: int = 0
    threads: int = 0
    open_files: int = 0
    disk: int = 0


def of_runs(runs_dir: Path, session_ids: Iterable[UUID]) -> Usage:
    """Add the runs of these sessions up. Blocking: a small file is read for each."""
    usage = Usage()
    for session_id in session_ids:
        head = samples.head(runs_dir / str(session_id))
        if head is None or not head.at:
            continue
        usage.sampled += 1
        usage.cores += 0.0 if math.isnan(head.cpu_percent) else head.cpu_percent / 100
        usage.memory += max(0, head.memory)
        usage.processes += max(0, head.processes)
        usage.threads += max(0, head.threads)
        usage.open_files += max(0, head.files)
        usage.disk += max(0, head.disk)
    return usage
