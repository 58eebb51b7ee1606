"""What a site may have beside simplejwt's views, as `adopt` has to find it: for the probe only."""

from django.contrib import admin
from django.urls import include, path, re_path
from people import views
from people.customs import RoleView
from rest_framework_simplejwt.views import TokenVerifyView

urlpatterns = [
    path("account/token/refresh/", RoleView.as_view()),
    path("account/token/verify/", TokenVerifyView.as_view()),
    path("admin/", admin.site.urls),
    # A bot's secret is in its path, as its host demands.
    path("hooks/bot7712345:AAHplantedSecret/token/<int:pk>/", views.whoami),
    re_path(
        r"^v1/(?:planted-in-a-group|other)/",
        include([re_path(r"^jwt/(?P<kind>[a-z/]+)/[0-9a-f]{8}\.json$", views.whoami)]),
    ),
]
