from django.urls import path, re_path

import views

urlpatterns = [
    path("", views.index),
    path("styled/", views.styled),
    path("health/", views.health),
    path("cookies/", views.cookies),
    path("session/", views.session),
    path("account/", views.account),
    path("account/logout/", views.account_logout),
    path("json/", views.json_page),
    # Every path below it too, for the tests of what a proxy does to a path.
    re_path("^echo/", views.echo),
    path("stream/", views.stream),
    path("events/", views.events),
    path("upload/", views.upload),
    path("photographs/", views.photographs),
    path("slow/", views.slow),
    path("status/<int:code>/", views.status),
    path("boom/", views.boom),
]
