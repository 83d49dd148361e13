"""Which view serves which page."""

from django.urls import path

from sessions_app import views

urlpatterns = [
    path("", views.sessions, name="sessions"),
    path("new", views.new, name="new"),
    path("sessions/<str:session_id>/", views.session, name="session"),
    path("sessions/<str:session_id>/start", views.start, name="start"),
    path("sessions/<str:session_id>/stop", views.stop, name="stop"),
]
