from django.conf import settings
from django.urls import path
from people import views
from rest_framework_simplejwt import views as simplejwt

urlpatterns = [
    path("account/token/obtain/", simplejwt.token_obtain_pair),
    path("account/token/refresh/", simplejwt.token_refresh),
    path("account/token/verify/", simplejwt.token_verify),
    path("account/token/blacklist/", simplejwt.token_blacklist),
    path("account/token/sliding/obtain/", simplejwt.token_obtain_sliding),
    path("account/token/sliding/refresh/", simplejwt.token_refresh_sliding),
    path("whoami/", views.whoami),
    # For the tests only: no credentials asked.
    path("test/users/", views.make_user),
    path("test/users/<user_id>/delete/", views.delete_user),
    path("test/users/<user_id>/deactivate/", views.deactivate_user),
    path("test/users/<user_id>/set-password/", views.set_password),
    path("test/users/<user_id>/change-password/", views.change_password),
    path("test/mint/", views.mint),
    path("test/mint-sliding/", views.mint_sliding),
]

# dj-rest-auth's own refresh and log-out stand where simplejwt's do.
if "dj_rest_auth" in settings.INSTALLED_APPS:
    from dj_rest_auth.jwt_auth import get_refresh_view
    from dj_rest_auth.views import LogoutView

    refresh = get_refresh_view().as_view()
    urlpatterns = [
        path("account/token/refresh/", refresh),
        path("account/token/blacklist/", LogoutView.as_view()),
    ] + urlpatterns
