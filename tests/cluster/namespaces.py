"""Hosts as network namespaces: each has a cable to a bridge, which can be pulled out. As root."""

import contextlib
import fcntl
import os
import signal
import subprocess
from pathlib import Path

from tests.support import eventually

_PREFIX = "hive-test-"
_NETNS = Path("/run/netns")
#: 198.18.0.0/15 is for tests of networks (RFC 2544); each network is one /24 of it.
_NETWORK = "198.18.{number}.{host}"
_NETWORKS = 100


def _ip(*words: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


class Namespace:
    """One host of a network.

    Attributes:
        address: where it is reached.
        wrap: words before a command that is to run there; its process id stays the same.
    """

    def __init__(self, network: "Network", name: str, number: int) -> None:
        self.name = f"{network.prefix}{name}"
        self.address = _NETWORK.format(number=network.number, host=number)
        self.wrap = ["nsenter", f"--net={_NETNS / self.name}", "--"]
        self._hub = network.hub_name
        self._port = f"p{number}"
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")

    def connect(self) -> None:
        """Lay its cable to the bridge."""
        end = ("name", self._port, "netns", self._hub)
        _ip("link", "add", "eth0", "netns", self.name, "type", "veth", "peer", *end)
        _ip("-n", self._hub, "link", "set", self._port, "master", "br0", "up")
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "eth0", "up")

    def link(self, *, up: bool) -> None:
        """Plug its cable in, or pull it out: what it sends is lost, nobody is told."""
        _ip("-n", self._hub, "link", "set", self._port, "up" if up else "down")

    def kill(self) -> None:
        """The power fails: SIGKILL to everything in it, and gone."""
        _kill(self.name)


class Network:
    """A bridge in a namespace of its own, the hub, and hosts; this machine is one of them.

    A lock tells its number from those of others: what stands under a number that nobody holds was
    left by a run that was killed, and is removed.
    """

    def __init__(self) -> None:
        assert os.geteuid() == 0, "network namespaces are made by root: run the tests as root"
        _NETNS.mkdir(exist_ok=True)
        for left in sorted(numbers()):
            if (lock := _lock(left)) is not None:
                _remove(left)
                os.close(lock)
        locks = ((number, _lock(number)) for number in range(_NETWORKS))
        self.number, self._lock = next((n, fd) for n, fd in locks if fd is not None)
        _remove(self.number)
        self.prefix = f"{_PREFIX}{self.number}-"
        self.hub_name = f"{self.prefix}hub"
        self._count = 1
        self.hub = Namespace(self, "hub", 1)
        # An address of its own: else it changes when a port comes whose address is lower, and
        # those who know the old one are not heard for half a minute.
        own = ("address", f"02:00:00:00:00:{self.number:02x}")
        _ip("-n", self.hub.name, "link", "add", "br0", *own, "type", "bridge")
        _ip("-n", self.hub.name, "addr", "add", f"{self.hub.address}/24", "dev", "br0")
        _ip("-n", self.hub.name, "link", "set", "br0", "up")
        ours, peer = _ours(self.number), ("name", "ours", "netns", self.hub.name)
        _ip("link", "add", ours, "type", "veth", "peer", *peer)
        _ip("-n", self.hub.name, "link", "set", "ours", "master", "br0", "up")
        here = _NETWORK.format(number=self.number, host=254)
        _ip("addr", "add", f"{here}/24", "dev", ours)
        _ip("link", "set", ours, "up")

    def host(self, name: str) -> Namespace:
        """One more host, connected."""
        self._count += 1
        made = Namespace(self, name, self._count)
        made.connect()
        return made

    def close(self) -> None:
        """Remove all, and end what runs there."""
        _remove(self.number)
        os.close(self._lock)


def numbers() -> set[int]:
    """Of all networks that there are on this machine, in use or left behind."""
    return {int(path.name.split("-")[2]) for path in _NETNS.glob(f"{_PREFIX}*-*")}


def _ours(number: int) -> str:
    return f"hivetest{number}"


def _lock(number: int) -> int | None:
    """The lock of a network's number; None: somebody else has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(f"/run/{_PREFIX}{number}.lock", flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _remove(number: int) -> None:
    for path in _NETNS.glob(f"{_PREFIX}{number}-*"):
        _kill(path.name)
        _ip("netns", "del", path.name)
    _ip("link", "del", _ours(number), check=False)  # it goes with its other end, in its own time


def _kill(name: str) -> None:
    def gone() -> bool:
        pids = [int(word) for word in _ip("netns", "pids", name).split()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not any(map(runs, pids))

    eventually(gone, f"the processes in {name} to be gone")


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
