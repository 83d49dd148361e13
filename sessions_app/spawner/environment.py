"""What a hive finds in its environment: a short list, never ours as a whole."""

import os
from collections.abc import Mapping

from sessions_app import run_token
from sessions_app.conf import Conf
from sessions_app.identity import RunUser
from sessions_app.models import AgentSession
from sessions_app.profiles import CommandProfile
from sessions_app.secret import SecretFile

_NAMES = frozenset(
    [
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    ]
)
_PREFIXES = ("LC_", "ANTHROPIC_", "CLAUDE_")
#: Where programs are looked for when we were started without a PATH, as cron does.
FALLBACK_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def child_environment(
    session: AgentSession,
    conf: Conf,
    profile: CommandProfile,
    user: RunUser,
    ours: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a session's command (docs/settings.md).

    Raises:
        LaunchError: a secret's file cannot be read.
    """
    source = os.environ if ours is None else ours
    wanted = _NAMES | {*conf.child_env, *profile.pass_environment}
    env = {
        name: value
        for name, value in source.items()
        if name in wanted or name.startswith(_PREFIXES)
    }
    env.setdefault("PATH", FALLBACK_PATH)
    env.setdefault("LANG", "C.UTF-8")
    for name, value in profile.environment.items():
        env[name] = value if isinstance(value, str) else value.reveal()
    if any(isinstance(value, SecretFile) for value in profile.environment.values()):
        conf.secrets.look()  # one of them may be new: it is masked before it can be printed
    env.update(
        HOME=user.home,
        USER=user.name,
        LOGNAME=user.name,
        SHELL=user.shell,
        HIVE_MIND_SESSION_ID=str(session.id),
        HIVE_MIND_OUTPUT_DIR=session.output_dir,
        HIVE_MIND_TOKEN=run_token.make(session.id),
        HIVE_MIND_API=f"{conf.base_url}/api/v1",
    )
    return env
