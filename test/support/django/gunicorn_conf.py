"""Migrates and loads Django once, before workers are forked.

An interpreter with Django takes a second to start, and a test run starts many.
"""

import ctypes
import os
import signal
import sys
from importlib import import_module

import django


PR_SET_PDEATHSIG = 1

# A test process that is killed runs no exit handler; gunicorn would stay. The
# workers look after their parent themselves.
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def on_starting(server):
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_under_test.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    # A connection must not be shared with the workers.
    connections.close_all()
    import_module("site_under_test.urls")
