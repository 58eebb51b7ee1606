import json
import sys

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import BlacklistMixin, RefreshToken
from rest_framework_simplejwt.utils import datetime_from_epoch


class Command(BaseCommand):
    help = (
        "Makes users and refresh tokens, the rows that RefreshToken.for_user"
        " makes but many to an INSERT. Prints a JSON line for each token."
    )

    def add_arguments(self, parser):
        parser.add_argument("--users", type=int, default=1)
        parser.add_argument("--tokens-per-user", type=int, default=1)
        parser.add_argument("--prefix", default="minted")

    @transaction.atomic
    def handle(self, users, tokens_per_user, prefix, **options):
        model = get_user_model()
        made = model.objects.bulk_create(
            [model(username=f"{prefix}-{n}") for n in range(users)], 1000
        )
        rows = []
        for user in made:
            for _ in range(tokens_per_user):
                # Token.for_user: the same token without the row.
                token = super(BlacklistMixin, RefreshToken).for_user(user)
                rows.append(
                    OutstandingToken(
                        user=user,
                        jti=token["jti"],
                        token=str(token),
                        created_at=token.current_time,
                        expires_at=datetime_from_epoch(token["exp"]),
                    )
                )
        OutstandingToken.objects.bulk_create(rows, 1000)
        for row in rows:
            line = {"user_id": str(row.user_id), "refresh": row.token}
            sys.stdout.write(json.dumps(line) + "\n")
