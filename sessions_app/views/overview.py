"""The overview."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sessions_app.overview import readings


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What needs attention, and how everything does; complete without scripts."""
    reading = readings.now()
    sessions = reading.figures["sessions"]
    context = {
        "parts": reading.parts,
        "total": sum(sessions.values()),
        "running": sessions["running"],
        "attention": len(reading.figures["attention"]),
    }
    return render(request, "overview.html", context)
