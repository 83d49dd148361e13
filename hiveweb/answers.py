"""What the guard itself answers: problem documents, and short answers without one."""

from hiveweb.sending import Send
from sessions_app import problems
from sessions_app.errors import HiveError


async def refuse(send: Send, refusal: HiveError) -> None:
    """Tell an error of ours."""
    later = getattr(refusal, "retry_after", problems.RETRY_AFTER)
    await problem(send, refusal.http_status, refusal.code, refusal.detail, later)


async def problem(
    send: Send, status: int, code: str, detail: str, retry_after: float = problems.RETRY_AFTER
) -> None:
    """Send a problem document; see ``problems.document`` for the arguments."""
    body = problems.encode(problems.document(status, code, detail))
    lines = {"Content-Type": problems.CONTENT_TYPE, **problems.headers(status, retry_after)}
    await whole(send, status, lines, body)


async def whole(send: Send, status: int, lines: dict[str, str], body: bytes = b"") -> None:
    """Send a whole answer with these headers and its length."""
    encoded = [(name.encode(), value.encode()) for name, value in lines.items()]
    encoded.append((b"Content-Length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": encoded})
    await send({"type": "http.response.body", "body": body})
