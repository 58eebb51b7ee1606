import hashlib

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    permission_classes,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import RefreshToken, SlidingToken


def open_to_all(view):
    """A POST view without authentication."""
    for decorate in (authentication_classes, permission_classes):
        view = decorate([])(view)
    return api_view(["POST"])(view)


@api_view(["GET"])
@authentication_classes([JWTAuthentication])
@permission_classes([IsAuthenticated])
def whoami(request):
    # As text: a bigint would not survive JSON.parse.
    return Response({"user_id": str(request.user.pk)})


@open_to_all
def make_user(request):
    fields = {get_user_model().USERNAME_FIELD: request.data["username"]}
    if "id" in request.data:
        fields["id"] = request.data["id"]
    user = get_user_model()(**fields)
    user.set_password(request.data.get("password"))
    user.save()
    return Response({"user_id": str(user.pk)})


@open_to_all
def delete_user(request, user_id):
    get_user_model().objects.get(pk=user_id).delete()
    return Response({})


@open_to_all
def deactivate_user(request, user_id):
    get_user_model().objects.filter(pk=user_id).update(is_active=False)
    return Response({})


@open_to_all
def mint(request):
    user = user_of(request)
    refresh = marked(RefreshToken.for_user(user), user)
    for claim, value in request.data.get("claims", {}).items():
        refresh[claim] = value
    return Response(
        {"refresh": str(refresh), "access": str(refresh.access_token)}
    )


@open_to_all
def mint_sliding(request):
    user = user_of(request)
    return Response({"token": str(marked(SlidingToken.for_user(user), user))})


@open_to_all
def set_password(request, user_id):
    user = get_user_model().objects.get(pk=user_id)
    user.set_password(request.data["password"])
    user.save()
    return Response({})


@open_to_all
def change_password(request, user_id):
    """As in docs/audit.md: whoever asks stays signed in, all others don't."""
    # docs/django is not on the path of each site under test.
    from end_sessions import end_sessions

    user = get_user_model().objects.get(pk=user_id)
    isolation = request.data.get("isolation")
    with transaction.atomic():
        if isolation is not None:
            with connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        user.set_password(request.data["password"])
        user.save()
        ended = end_sessions(user, "password changed")
        refresh = marked(RefreshToken.for_user(user), user)
        if request.data.get("fail"):
            transaction.set_rollback(True)
    return Response(
        {"ended": ended, "refresh": str(refresh), "access": str(refresh.access_token)}
    )


def marked(token, user):
    """As `for_user` does by itself from 5.3 on."""
    if settings.SIMPLE_JWT["CHECK_REVOKE_TOKEN"]:
        digest = hashlib.md5(user.password.encode()).hexdigest()
        token["hash_password"] = digest.upper()
    return token


def user_of(request):
    return get_user_model().objects.get(pk=request.data["user_id"])
