"""Refresh tokens for `carelink-tokens bench --tokens`, of users that are made for it.

Copy this file to yourapp/management/commands/bench_tokens.py. Then:

    python manage.py bench_tokens 100 > tokens.txt   # a token a line, each of a user of its own
    python manage.py bench_tokens --end              # logs these users out, and deactivates them
"""

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand
from django.db import models
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken


def username(model, prefix, number):
    field = model._meta.get_field(model.USERNAME_FIELD)
    suffix = "@bench.invalid" if isinstance(field, models.EmailField) else ""
    return f"{prefix}{number}{suffix}"


def make_user(model, name):
    """Without a password, so that nobody can log in. Where your model needs more fields, give them here."""
    user, made = model._default_manager.get_or_create(**{model.USERNAME_FIELD: name})
    if made:
        user.set_unusable_password()
        user.save()
    return user


def has_field(model, name):
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


class Command(BaseCommand):
    help = "Prints refresh tokens of users that are made for a benchmark, or ends them (--end)."

    def add_arguments(self, parser):
        parser.add_argument("users", type=int, nargs="?", default=100)
        parser.add_argument("--prefix", default="carelink-bench-", help="of the users' names")
        parser.add_argument("--end", action="store_true", help="log these users out, and deactivate them")

    def handle(self, users, prefix, end, **options):
        model = get_user_model()
        if end:
            return self.end(model, prefix)
        for number in range(users):
            user = make_user(model, username(model, prefix, number))
            if has_field(model, "is_active") and not user.is_active:
                user.is_active = True
                user.save(update_fields=["is_active"])
            self.stdout.write(str(RefreshToken.for_user(user)))

    def end(self, model, prefix):
        made = model._default_manager.filter(**{f"{model.USERNAME_FIELD}__startswith": prefix})
        count = made.count()
        if has_field(model, "is_active"):
            # First: from now on carelink-tokens, and simplejwt from 5.4 on, refresh none of their tokens.
            made.update(is_active=False)
        live = 0
        if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
            from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

            rows = OutstandingToken.objects.filter(
                user__in=made, blacklistedtoken=None, expires_at__gt=timezone.now()
            )
            ended = [BlacklistedToken(token=row) for row in rows.iterator()]
            live = len(BlacklistedToken.objects.bulk_create(ended, 1000, ignore_conflicts=True))
        self.stderr.write(f"{live} live tokens of {count} users ended; the users are deactivated.")
