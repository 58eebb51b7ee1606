"""Migrates, then answers expressions of Python, one a line, in JSON."""

import json
import sys
from datetime import datetime
from datetime import timezone as zones

import jwt.api_jwt
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone
from people.models import Lock
from rest_framework.exceptions import APIException
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken


def mint(user):
    refresh = RefreshToken.for_user(user)
    return {"refresh": str(refresh), "access": str(refresh.access_token)}


def accepts(access):
    """Whether the API lets the user in, by the site's rule as well."""
    authentication = JWTAuthentication()
    try:
        token = authentication.get_validated_token(access.encode())
        user = authentication.get_user(token)
    except APIException:
        return False
    return bool(api_settings.USER_AUTHENTICATION_RULE(user))


def set_clock(seconds):
    """What simplejwt and PyJWT take for now."""
    moment = datetime.fromtimestamp(seconds, tz=zones.utc)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment

    tokens.aware_utcnow = lambda: moment
    jwt.api_jwt.datetime = Clock


def rotate(refresh):
    """The pair that the refresh endpoint answers; null where it refuses."""
    try:
        return TokenRefreshSerializer().validate({"refresh": refresh})
    except TokenError:
        return None


class Command(BaseCommand):
    def handle(self, **_):
        call_command("migrate", verbosity=0)
        scope = {
            "User": get_user_model(),
            "Lock": Lock,
            "timezone": timezone,
            "mint": mint,
            "accepts": accepts,
            "set_clock": set_clock,
            "rotate": rotate,
        }
        print(json.dumps({"value": "ready"}), flush=True)
        for line in sys.stdin:
            try:
                answer = {"value": eval(json.loads(line), scope)}
                text = json.dumps(answer, default=str)
            except Exception as error:
                text = json.dumps({"error": repr(error)})
            print(text, flush=True)
