"""Reads a JSON list of jobs on stdin and answers each as simplejwt would, on a clock that stands still.

`verify` goes through simplejwt's own TokenBackend (and so PyJWT), then checks `exp` as simplejwt's Token does. What
Python answers with another exception than its own is "crash: <name>": Django makes a 500 of it.
"""

import datetime as datetime_module
import json
import sys

import django.conf

django.conf.settings.configure()

import jwt.api_jwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

NOW = None


class StandingClock(datetime_module.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


jwt.api_jwt.datetime = StandingClock


def verify(job):
    backend = TokenBackend(
        job["algorithm"],
        job["signingKey"],
        job.get("verifyingKey", ""),
        job.get("audience"),
        job.get("issuer"),
        leeway=job.get("leeway", 0),
    )
    try:
        claims = backend.decode(job["token"])
    except TokenBackendError as error:
        expired = isinstance(error.__cause__, jwt.ExpiredSignatureError)
        return {"verdict": "expired" if expired else "invalid"}
    if "exp" not in claims:
        return {"verdict": "no_exp"}
    exp = datetime_module.datetime.utcfromtimestamp(claims["exp"])
    now = datetime_module.datetime.utcfromtimestamp(NOW)
    if exp <= now - backend.get_leeway():
        return {"verdict": "expired"}
    return {"verdict": "ok", "claims": json.dumps(claims)}


def sign(job):
    backend = TokenBackend(
        job["algorithm"], job["signingKey"], audience=job.get("audience"), issuer=job.get("issuer")
    )
    return {"token": backend.encode(json.loads(job["claims"]))}


answers = []
for job in json.load(sys.stdin):
    NOW = job.get("now")
    try:
        answers.append(sign(job) if job["do"] == "sign" else verify(job))
    except Exception as error:
        answers.append({"verdict": "crash: " + type(error).__name__})
json.dump(answers, sys.stdout)
