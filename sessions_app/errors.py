"""The errors of hiveweb: one small tree, each with its wire code, HTTP status and exit code."""

from typing import ClassVar


class HiveError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or (type(self).__doc__ or "").splitlines()[0])

    @property
    def detail(self) -> str:
        """What was wrong and what to do, in a sentence or two."""
        return str(self.args[0])


class Invalid(HiveError):
    """The request cannot be understood."""

    code = "invalid"
    http_status = 422
    exit_code = 2


class KeyReused(Invalid):
    """This Idempotency-Key was used for another request; use a new one for each request."""

    code = "idempotency_key_reused"


class NotFound(HiveError):
    """There is no such session."""

    code = "not_found"
    http_status = 404
    exit_code = 4


class FileMissing(NotFound):
    """There is no such file."""

    code = "file_not_found"


class Conflict(HiveError):
    """The session's state does not allow this."""

    code = "conflict"
    http_status = 409
    exit_code = 3


class Changed(Conflict):
    """The session has changed since you read it; read it again and decide anew."""

    code = "precondition_failed"
    http_status = 412


class TooLarge(HiveError):
    """The request is too large."""

    code = "too_large"
    http_status = 413
    exit_code = 2


class Forbidden(HiveError):
    """This is not allowed."""

    code = "forbidden"
    http_status = 403
    exit_code = 5


class Unauthorized(HiveError):
    """Say who you are: send the header `Authorization: Bearer TOKEN`."""

    code = "unauthorized"
    http_status = 401
    exit_code = 5


class TooManyRequests(HiveError):
    """Too many requests; wait before the next."""

    code = "too_many_requests"
    http_status = 429
    exit_code = 75

    def __init__(self, detail: str = "", retry_after: float = 1.0) -> None:
        super().__init__(detail)
        #: Seconds after which the next one may pass.
        self.retry_after = retry_after


class Unavailable(HiveError):
    """This cannot be done now; try again."""

    code = "unavailable"
    http_status = 503
    exit_code = 75


class LaunchError(HiveError):
    """The command could not be started."""

    code = "launch_failed"
