"""
Answers requests with the real Django, DRF and simplejwt, without a network.

stdin: a JSON list of {method, path, contentType, body (base64)}; stdout: a JSON list of {status, headers, body}
or {raised: class name} where Django would have answered 500.
"""
import base64
import io
import json
import logging
import sys

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="oracle-signing-key-of-at-least-32-bytes",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework_simplejwt.token_blacklist",
        "rest_framework",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    SIMPLE_JWT={"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True},
    LOGGING_CONFIG=None,
)
django.setup()
logging.disable(logging.CRITICAL)

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.core.signals import got_request_exception  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework_simplejwt import views  # noqa: E402

urlpatterns = [
    path("account/token/refresh/", views.token_refresh),
    path("account/token/verify/", views.token_verify),
    path("account/token/blacklist/", views.token_blacklist),
    path("account/token/sliding/refresh/", views.token_refresh_sliding),
]


def main():
    call_command("migrate", verbosity=0)
    application = get_wsgi_application()
    raised = []
    got_request_exception.connect(lambda **_: raised.append(sys.exc_info()[0].__name__), weak=False)
    answers = []
    for case in json.load(sys.stdin):
        body = base64.b64decode(case["body"])
        environ = {
            "REQUEST_METHOD": case["method"],
            "PATH_INFO": case["path"],
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            "CONTENT_LENGTH": str(len(body)),
        }
        if case["contentType"] is not None:
            environ["CONTENT_TYPE"] = case["contentType"]
        seen = {}

        def start_response(status, headers, exc_info=None):
            seen["status"] = int(status.split(" ")[0])
            seen["headers"] = {name.lower(): value for name, value in headers}

        raised.clear()
        content = b"".join(application(environ, start_response))
        if raised:
            answers.append({"raised": raised[0]})
        else:
            answers.append({**seen, "body": content.decode("utf-8", "surrogatepass")})
    json.dump(answers, sys.stdout)


main()
