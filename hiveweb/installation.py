"""From environment values to the checked settings of one installation."""

import json
import os
import secrets
import shlex
import sys
from pathlib import Path

from hiveweb.env import Env, EnvError, socket_path, state_dir
from sessions_app.conf import Conf
from sessions_app.profiles import DEFAULT_COMMAND, DEFAULT_PROFILE, SAMPLE_PROFILE, claude_flow

#: A claude process takes 300 to 400 MB: memory, not CPU, bounds how many run at once.
BYTES_PER_SESSION = 400 * 1024 * 1024
DEFAULT_EXCLUDES = "node_modules,__pycache__,venv,target"


def build_conf(env: Env, root: Path) -> Conf:
    """Read and check every setting.

    Raises:
        EnvError: a value cannot be used; the message names the setting.
    """
    return Conf(
        root=root,
        env_file=env.file,
        workspace=Path(env.path("HIVE_WORKSPACE", "var/workspace")),
        log_dir=Path(env.path("HIVE_LOG_DIR", "var/log")),
        state_dir=Path(state_dir(env)),
        socket=Path(socket_path(env)),
        host=env.text("HIVE_HOST", "127.0.0.1"),
        port=env.integer("HIVE_PORT", 8765, 1, 65535),
        token=_token(env),
        allowed_hosts=env.items("HIVE_ALLOWED_HOSTS"),
        profiles={
            DEFAULT_PROFILE: claude_flow(DEFAULT_PROFILE, _command(env)),
            SAMPLE_PROFILE: claude_flow(SAMPLE_PROFILE, _sample_command(root)),
        },
        run_as=env.text("HIVE_RUN_AS"),
        slots=env.integer("HIVE_SLOTS", default_slots(), 1, 100_000),
        stop_grace=env.number("HIVE_STOP_GRACE", 10.0, 0.0, 20.0),
        child_env=env.items("HIVE_CHILD_ENV"),
        collect_max_bytes=env.integer("HIVE_COLLECT_MAX_MB", 1024, 0) * 1024 * 1024,
        collect_excludes=frozenset(env.items("HIVE_COLLECT_EXCLUDE", DEFAULT_EXCLUDES)),
        autospawn=env.switch("HIVE_AUTOSPAWN", True),
    )


def default_slots() -> int:
    """As many sessions as fit into memory at 400 MB each, but at least one."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, total // BYTES_PER_SESSION)


def secret_key(directory: Path) -> str:
    """The installation's signing key: made at first use, kept in our state directory.

    Raises:
        EnvError: the directory cannot be written.
    """
    path = directory / "secret_key"
    try:
        if path.exists():
            key = path.read_text(encoding="ascii").strip()
            if len(key) >= 50:
                return key
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if directory.stat().st_uid == os.geteuid():
            directory.chmod(0o700)  # a volume is made by others, and open to all
        draft = directory / f"secret_key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64), encoding="ascii")
        try:
            os.link(draft, path)  # the first of several processes wins
        except FileExistsError:
            if path.stat().st_size < 50:
                draft.replace(path)
        draft.unlink(missing_ok=True)
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise EnvError(
            f"the state directory {directory} cannot be used ({error.strerror}: "
            f"{error.filename}); set HIVE_STATE_DIR to a directory you can write"
        ) from error


def _token(env: Env) -> str:
    token = env.text("HIVE_TOKEN")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise EnvError("HIVE_TOKEN must have at least 16 printable ASCII characters")
    return token


def _command(env: Env) -> tuple[str, ...]:
    text = env.text("HIVE_COMMAND")
    if not text:
        return DEFAULT_COMMAND
    try:
        parts = json.loads(text) if text.startswith("[") else shlex.split(text)
    except ValueError as error:
        raise EnvError(f"HIVE_COMMAND cannot be read: {error}") from error
    if not parts or not all(isinstance(part, str) and "\0" not in part for part in parts):
        raise EnvError(
            "HIVE_COMMAND must be a command line or a JSON array of strings, such as "
            '["claude-flow", "hive-mind", "spawn", "{task}"]'
        )
    return tuple(parts)


def _sample_command(root: Path) -> tuple[str, ...]:
    interpreter = str(Path(sys.executable).resolve())
    return (interpreter, "-I", "-S", str(root / "scripts" / "sample_hive.py"), "{task}")
