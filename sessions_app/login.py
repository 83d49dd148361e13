"""Signing a browser in by a one-time link."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from sessions_app import access, db

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in - hiveweb</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto }}
</style>
<h1>{}</h1>
<p>Make a new link on the machine hiveweb runs on, and open it in this browser.
It works once, within 24 hours:</p>
<pre>manage.py hive link</pre>
</html>
"""


@require_safe
async def login(request: HttpRequest) -> HttpResponseBase:
    """Sign in by ``?key=``; without one say how to come by it."""
    response: HttpResponseBase
    if not access.required() or access.is_signed_in(request.COOKIES.get(access.cookie_name(), "")):
        response = HttpResponseRedirect("/")
    elif not (key := request.GET.get("key", "")):
        response = HttpResponse(format_html(_PAGE, "Sign in"))
    elif request.method == "GET" and await db.call(access.redeem, key):
        response = HttpResponseRedirect("/")
        response.set_cookie(
            access.cookie_name(),
            access.new_cookie(),
            max_age=access.SIGNED_IN_FOR,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    else:
        response = HttpResponse(
            format_html(_PAGE, "This link is wrong, too old or already used"), status=403
        )
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
