"""A stock Django + simplejwt project, as the tests of carelink-tokens need it.

Everything that a test varies comes from DJANGO_* environment variables, so
that one project stands for many: see test/support/django.ts.
"""

import json
import os
from datetime import timedelta


def flag(name, default):
    return os.environ.get(name, default) == "1"


def seconds(name, default):
    return timedelta(seconds=int(os.environ.get(name, default)))


# Tables of the user models: integer auth_user; bigint; uuid; and one where
# table, key column and active column all have names of their own.
USER_MODELS = {
    "auth": "auth.User",
    "bigint": "people.BigintUser",
    "uuid": "people.UuidUser",
    "staff": "people.StaffMember",
    "keyed_by_uuid": "people.KeyedByUuid",
    "mail": "people.MailUser",
    "code": "people.CodeUser",
    "smallint": "people.SmallintUser",
    "nurse": "people.Nurse",
    "soft": "people.SoftUser",
}

# "single-use" is docs/django/serializers.py as it ships: docs/django is on
# PYTHONPATH.
REFRESH_SERIALIZERS = {
    "stock": "rest_framework_simplejwt.serializers.TokenRefreshSerializer",
    "single-use": "serializers.TokenRefreshSerializer",
}

BLACKLIST_SERIALIZERS = {
    "stock": "rest_framework_simplejwt.serializers.TokenBlacklistSerializer",
    "single-use": "serializers.TokenBlacklistSerializer",
}

SECRET_KEY = os.environ["DJANGO_SIGNING_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = flag("DJANGO_USE_TZ", "1")
TIME_ZONE = os.environ.get("DJANGO_TIME_ZONE", "UTC")
ROOT_URLCONF = os.environ.get("DJANGO_URLS", "site_under_test.urls")
WSGI_APPLICATION = "site_under_test.wsgi.application"
AUTH_USER_MODEL = USER_MODELS[os.environ.get("DJANGO_USER_MODEL", "auth")]
# Fast, since no test is about passwords.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIDDLEWARE = []

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "people",
]
# simplejwt's tables belong to an app of their own, which its default is to go
# without.
if flag("DJANGO_BLACKLIST_APP", "1"):
    INSTALLED_APPS.append("rest_framework_simplejwt.token_blacklist")

# django-cors-headers, for origins that are separated by blanks.
if os.environ.get("DJANGO_CORS_ORIGINS"):
    INSTALLED_APPS.append("corsheaders")
    MIDDLEWARE.append("corsheaders.middleware.CorsMiddleware")
    CORS_ALLOWED_ORIGINS = os.environ["DJANGO_CORS_ORIGINS"].split()
    CORS_EXPOSE_HEADERS = ["Retry-After"]
    # As its manual says to add to its own.
    from corsheaders.defaults import default_headers
    CORS_ALLOW_HEADERS = (*default_headers, *os.environ.get("DJANGO_CORS_HEADERS", "").split())

# dj-rest-auth, which has to be on PYTHONPATH: its settings as JSON.
if os.environ.get("DJANGO_REST_AUTH"):
    INSTALLED_APPS.append("dj_rest_auth")
    REST_AUTH = {
        "USE_JWT": True,
        "TOKEN_MODEL": None,
        "SESSION_LOGIN": False,
        **json.loads(os.environ["DJANGO_REST_AUTH"]),
    }

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["DJANGO_DB_HOST"],
        "PORT": os.environ["DJANGO_DB_PORT"],
        "NAME": os.environ["DJANGO_DB_NAME"],
        "USER": os.environ["DJANGO_DB_USER"],
        "PASSWORD": os.environ["DJANGO_DB_PASSWORD"],
        "CONN_MAX_AGE": 600,
        "ATOMIC_REQUESTS": flag("DJANGO_ATOMIC_REQUESTS", "0"),
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SIMPLE_JWT = {
    "ALGORITHM": os.environ.get("DJANGO_ALGORITHM", "HS256"),
    "SIGNING_KEY": os.environ["DJANGO_SIGNING_KEY"],
    "VERIFYING_KEY": os.environ.get("DJANGO_VERIFYING_KEY", ""),
    "AUDIENCE": os.environ.get("DJANGO_AUDIENCE"),
    "ISSUER": os.environ.get("DJANGO_ISSUER"),
    "USER_ID_FIELD": os.environ.get("DJANGO_USER_ID_FIELD", "id"),
    "USER_AUTHENTICATION_RULE": os.environ.get(
        "DJANGO_USER_RULE",
        "rest_framework_simplejwt.authentication.default_user_authentication_rule",
    ),
    "ROTATE_REFRESH_TOKENS": flag("DJANGO_ROTATE", "1"),
    "BLACKLIST_AFTER_ROTATION": flag("DJANGO_BLACKLIST", "1"),
    "ACCESS_TOKEN_LIFETIME": seconds("DJANGO_ACCESS_SECONDS", "900"),
    "REFRESH_TOKEN_LIFETIME": seconds("DJANGO_REFRESH_SECONDS", "43200"),
    "SLIDING_TOKEN_LIFETIME": seconds("DJANGO_SLIDING_SECONDS", "900"),
    "SLIDING_TOKEN_REFRESH_LIFETIME": seconds(
        "DJANGO_SLIDING_REFRESH_SECONDS", "43200"
    ),
    "SLIDING_TOKEN_REFRESH_EXP_CLAIM": os.environ.get(
        "DJANGO_SLIDING_CLAIM", "refresh_exp"
    ),
    "USER_ID_CLAIM": os.environ.get("DJANGO_USER_ID_CLAIM", "user_id"),
    "LEEWAY": float(os.environ.get("DJANGO_LEEWAY", "0")),
    "CHECK_REVOKE_TOKEN": flag("DJANGO_CHECK_REVOKE", "0"),
    "TOKEN_REFRESH_SERIALIZER": REFRESH_SERIALIZERS[
        os.environ.get("DJANGO_SERIALIZER", "stock")
    ],
    "TOKEN_BLACKLIST_SERIALIZER": BLACKLIST_SERIALIZERS[
        os.environ.get("DJANGO_SERIALIZER", "stock")
    ],
}

# More settings as JSON: an object goes into the one that is there, and a value
# of {"seconds": 5} is a timedelta.
for name, value in json.loads(
    os.environ.get("DJANGO_SETTINGS", "{}"),
    object_hook=lambda o: timedelta(**o) if set(o) == {"seconds"} else o,
).items():
    if isinstance(value, dict):
        value = {**globals().get(name, {}), **value}
    globals()[name] = value
