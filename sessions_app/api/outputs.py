"""A session's output files: listing, download, and all of them as an archive."""

import asyncio
import os
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import register_converter
from django.urls.converters import StringConverter
from django.utils.http import content_disposition_header
from ninja import Router

from sessions_app import archive, db, outputs, services
from sessions_app.api import conditional, schemas
from sessions_app.api.answers import responses
from sessions_app.api.streaming import Pumped, send_file
from sessions_app.clock import wire_time

router = Router(tags=["outputs"])

CONTENT_TYPE = "application/octet-stream"


class AnyPathConverter(StringConverter):
    """The rest of a URL, whatever characters it has; Django's own ``path`` takes no newline."""

    regex = r"[\s\S]+"


register_converter(AnyPathConverter, "anypath")


@router.get(
    "/sessions/{session_id}/outputs",
    operation_id="list_outputs",
    summary="List output files",
    response=responses(200, schemas.Outputs, 404),
    openapi_extra=conditional.extra(),
)
async def list_outputs(request: HttpRequest, session_id: str) -> HttpResponse:
    """The regular files in the session's output directory, at most 10,000."""
    session = await db.read(services.get, session_id)
    content, tag = await asyncio.to_thread(_listing, session.output_dir, request.path)
    return conditional.respond(request, content, tag)


def _listing(root: str, url: str) -> tuple[bytes, str]:
    found = outputs.listing(root)
    files: list[dict[str, Any]] = [
        {
            "path": file.path,
            "size": file.size,
            "modified": wire_time(file.modified),
            "url": f"{url}/{quote(os.fsencode(file.path))}",
        }
        for file in found.files
    ]
    return conditional.encode({"files": files, "truncated": found.truncated})


@router.get(
    "/sessions/{session_id}/outputs.zip",
    operation_id="download_outputs",
    summary="Download all output files",
    response=responses(200, None, 404),
    openapi_extra={
        "responses": {
            200: {
                "description": "The archive",
                "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    },
)
async def download_outputs(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """The files of the listing as one ZIP archive, made while it is sent.

    Names are those of the listing, with `%XX` for what is unsafe when unpacked. What is left out is
    said in its last file, `LEFT-OUT.txt`.
    """
    session = await db.read(services.get, session_id)
    found = await asyncio.to_thread(outputs.listing, session.output_dir)
    return StreamingHttpResponse(
        Pumped(archive.pieces(session.output_dir, found)),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="hive-{session.id}-outputs.zip"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


@router.get(
    "/sessions/{session_id}/outputs/{anypath:path}",
    operation_id="download_output",
    summary="Download an output file",
    response=responses(200, None, 404, 416),
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": "Range",
                "schema": {"type": "string"},
                "description": "`bytes=FIRST-LAST`",
            }
        ],
        "responses": {
            status: {
                "description": description,
                "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            }
            for status, description in ((200, "The file"), (206, "The range that was asked for"))
        },
    },
)
async def download_output(request: HttpRequest, session_id: str, path: str) -> HttpResponseBase:
    """A file as the run left it, always as a download."""
    session = await db.read(services.get, session_id)
    path = _exact(request, path)
    file = await asyncio.to_thread(outputs.open_file, session.output_dir, path)
    info = os.fstat(file.fileno())
    tag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
    asked = request.headers.get("Range")
    if request.headers.get("If-Range", tag) != tag:
        asked = None  # the file is another one by now: send the whole of it
    response = send_file(file, info.st_size, asked, content_type=CONTENT_TYPE)
    response["ETag"] = tag
    name = path.rpartition("/")[2].encode("utf-8", "replace").decode()
    disposition = content_disposition_header(as_attachment=True, filename=name)
    if response.status_code < 400 and disposition:
        response["Content-Disposition"] = disposition
    return response


def _exact(request: HttpRequest, path: str) -> str:
    """The path byte for byte as it was asked for: names need not be UTF-8."""
    raw: bytes = getattr(request, "scope", {}).get("raw_path") or b""
    _, found, rest = raw.partition(b"?")[0].partition(b"/outputs/")
    return os.fsdecode(unquote_to_bytes(rest)) if found else path
