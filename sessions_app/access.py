"""Who is asking: the token of programs, one-time links, and the browsers signed in by them."""

import hashlib
import hmac
import secrets
from functools import lru_cache

from django.core.signing import BadSignature, TimestampSigner
from django.utils import timezone
from django.utils.crypto import salted_hmac

from sessions_app.conf import current
from sessions_app.models import OneTimeLink

#: A browser stays signed in this long (seconds).
SIGNED_IN_FOR = 30 * 24 * 3600
_SIGNED_IN = "browser"


def required() -> bool:
    """Whether callers have to say who they are. Without a token, only this machine reaches us."""
    return bool(current().token)


def is_token(text: str) -> bool:
    """Whether ``text`` is the installation's token; takes the same time whatever it is."""
    given = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return hmac.compare_digest(given, hashlib.sha256(current().token.encode()).digest())


def make_link() -> str:
    """A key that signs one browser in, once, within 24 hours: ``/login?key=KEY``."""
    now = timezone.now()
    OneTimeLink.objects.filter(created__lte=now - OneTimeLink.LIFETIME).delete()
    key = secrets.token_urlsafe(32)
    OneTimeLink.objects.create(digest=_digest(key), created=now)
    return key


def redeem(key: str) -> bool:
    """Use up a key; False when it is wrong, used or too old. Of two callers at once one gets it."""
    now = timezone.now()
    changed = OneTimeLink.objects.filter(
        digest=_digest(key), used_at__isnull=True, created__gt=now - OneTimeLink.LIFETIME
    ).update(used_at=now)
    return changed == 1


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=1)
def cookie_name() -> str:
    """The cookie of signed-in browsers. Ports share one cookie jar: each installation its own."""
    return "hive_" + salted_hmac("hiveweb.cookie-name", "").hexdigest()[:8]


def new_cookie() -> str:
    """What a browser keeps to stay signed in."""
    return _signer().sign(_SIGNED_IN)


def is_signed_in(cookie: str) -> bool:
    """Whether a cookie is one of ours, young enough, and made under the present token."""
    try:
        return _signer().unsign(cookie, max_age=SIGNED_IN_FOR) == _SIGNED_IN
    except BadSignature:
        return False


def _signer() -> TimestampSigner:
    token = hashlib.sha256(current().token.encode()).hexdigest()
    return TimestampSigner(salt=f"hiveweb.signed-in.{token}")
