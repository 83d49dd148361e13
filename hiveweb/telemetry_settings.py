"""The settings of what is measured, and told to the outside."""

from hiveweb.edge_settings import networks
from hiveweb.env import Env, EnvError
from sessions_app import units
from sessions_app.conf import Telemetry
from sessions_app.errors import Invalid
from sessions_app.limits import OFF

#: Sampling more often would cost more than it shows; less often, runs go unseen.
_SHORTEST, _LONGEST = 1.0, 3600.0


def read(env: Env) -> Telemetry:
    """Read and check them.

    Raises:
        EnvError: a value cannot be used; the message names the setting.
    """
    port = env.integer("HIVE_MCP_TCP_PORT", 0, 0, 65535)
    return Telemetry(
        sample_every=_period(env),
        mcp_tcp_port=port or None,
        webhook_networks=networks(env, "HIVE_WEBHOOK_NETWORKS"),
    )


def _period(env: Env) -> float | None:
    text = env.text("HIVE_SAMPLE_EVERY")
    if text.lower() in OFF:
        return None
    try:
        seconds = units.seconds(text or Telemetry().sample_every or 0.0, "HIVE_SAMPLE_EVERY")
    except Invalid as error:
        raise EnvError(error.detail) from None
    if not _SHORTEST <= seconds <= _LONGEST:
        raise EnvError(f"HIVE_SAMPLE_EVERY must be from 1 s to 1 h, or off, not {text!r}")
    return seconds
