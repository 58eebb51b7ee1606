"""Views one by one, at paths of their own; no log-out and no sliding tokens."""

from django.urls import include, path, re_path
from people import views
from rest_framework_simplejwt import views as simplejwt

api = [
    path("auth/login", simplejwt.token_obtain_pair),
    re_path(r"^auth/renew/?$", simplejwt.token_refresh),
    path("auth/check/", simplejwt.TokenVerifyView.as_view()),
]

urlpatterns = [
    path("api/v1/", include(api)),
    path("whoami/", views.whoami),
    path("test/users/", views.make_user),
    path("test/users/<user_id>/deactivate/", views.deactivate_user),
    path("test/mint/", views.mint),
]
