"""Web servers and a spawner as processes of their own."""

import subprocess

from tests.support import PYTHON, ROOT, Installation, Server, eventually, free_port


class Apart:
    """An installation whose parts do not share a process; ``Installation.close`` ends them."""

    def __init__(self, site: Installation) -> None:
        self.site = site
        site.env["HIVE_AUTOSPAWN"] = "off"

    def web(self) -> Server:
        """One more web server: pages and API, nothing else."""
        port = free_port()
        words = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "hiveweb.asgi:application"]
        server = self._start(port, *words)
        eventually(lambda: answers(server), "daphne to answer")
        return server

    def spawner(self) -> Server:
        """The spawner of this host."""
        server = self._start(0, str(ROOT / "manage.py"), "hive", "spawner")
        bell = self.site.state_dir / "doorbell.sock"

        def there() -> bool:
            assert server.process.poll() is None, server.output
            return bell.exists()

        eventually(there, "the spawner to listen")
        return server

    def _start(self, port: int, *words: str) -> Server:
        output = self.site.base / f"part-{len(self.site._servers)}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [PYTHON, *words],
                env=self.site.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        server = Server(process, port, output)
        self.site._servers.append(server)
        return server


def answers(server: Server, path: str = "/healthz") -> bool:
    """Whether it says that it is well."""
    assert server.process.poll() is None, server.output
    try:
        return server.request("GET", path)[0] == 200
    except OSError:
        return False
