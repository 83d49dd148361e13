"""Signatures as Standard Webhooks 1.0 has them, and the secrets, which nobody stores.

A webhook's secret is an HMAC of its id and salt under the installation's key.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from django.utils.crypto import salted_hmac

from sessions_app.models import Webhook

PREFIX = "whsec_"
_SALT = "hiveweb.webhook"
#: After a rotation the secret before it also signs for so long.
OVERLAP = timedelta(hours=24)


def secret(webhook: Webhook) -> str:
    """The secret as receivers get it."""
    return PREFIX + base64.b64encode(_key(webhook, webhook.salt)).decode()


def keys(webhook: Webhook, now: datetime) -> tuple[bytes, ...]:
    """The keys that sign now: the present one and, for a while after a rotation, the last one."""
    found = [webhook.salt]
    if webhook.previous_salt and webhook.rotated and now < webhook.rotated + OVERLAP:
        found.append(webhook.previous_salt)
    return tuple(_key(webhook, salt) for salt in found)


def _key(webhook: Webhook, salt: str) -> bytes:
    return salted_hmac(_SALT, f"{webhook.id}:{salt}", algorithm="sha256").digest()


def headers(
    message_id: str, timestamp: int, body: bytes, signing: tuple[bytes, ...]
) -> dict[str, str]:
    """The three headers of a request.

    Args:
        message_id: the same at each attempt.
        timestamp: of this attempt, in Unix seconds.
        body: the very bytes that are sent.
        signing: the keys.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (hmac.new(key, signed, hashlib.sha256).digest() for key in signing)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
