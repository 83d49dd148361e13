"""The networks of the tests themselves: apart from each other, and none is left behind."""

import signal
import subprocess
from pathlib import Path

from tests.cluster.namespaces import Network, numbers, runs
from tests.support import PYTHON, ROOT, eventually

_MAKE = """
import subprocess, sys, time
from tests.cluster.namespaces import Network
network = Network()
host = network.host("a")
left = subprocess.Popen([*host.wrap, "sleep", "600"], stdout=subprocess.DEVNULL)
print(network.number, left.pid, flush=True)
time.sleep(600)
"""


def test_what_a_killed_run_left_is_removed_by_the_next_one() -> None:
    # given a network whose maker was killed, and one that is in use
    used = Network()
    maker = subprocess.Popen([PYTHON, "-c", _MAKE], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with maker:
        assert maker.stdout is not None
        number, left = map(int, maker.stdout.readline().split())
        maker.send_signal(signal.SIGKILL)
    assert Path(f"/proc/{left}").exists()
    assert number in numbers()

    # when the next one is made
    made = Network()
    try:
        # then the one has gone, with what ran in it, and the other is there
        eventually(lambda: not runs(left), "its processes to be gone")
        assert numbers() >= {used.number, made.number}
        assert number not in numbers() - {made.number}
        assert used.number != made.number
    finally:
        used.close()
        made.close()
    assert not numbers() & {used.number, made.number}
