import json
import os
import random
import threading
import time
from datetime import timedelta

from django.core.management.base import BaseCommand
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import (
    BlacklistedToken,
    OutstandingToken,
)


class Command(BaseCommand):
    help = (
        "Blacklists, all the time, tokens that are about to be cleaned up, in"
        " transactions that stay open for up to 30 ms. Ends when the file is"
        " there, and prints what came of it."
    )

    def add_arguments(self, parser):
        parser.add_argument("--until", required=True)
        parser.add_argument("--threads", type=int, default=2)
        parser.add_argument("--ahead", type=int, default=40)

    def handle(self, until, threads, ahead, **options):
        counts = {"committed": 0, "created": 0, "failed": 0, "other": 0}
        errors = []

        def one():
            with transaction.atomic():
                rows = OutstandingToken.objects.filter(
                    expires_at__lte=timezone.now() - timedelta(days=7),
                    blacklistedtoken=None,
                )
                rows = list(rows.order_by("expires_at", "id")[:ahead])
                if not rows:
                    return
                token = random.choice(rows)
                _, created = BlacklistedToken.objects.get_or_create(token=token)
                time.sleep(random.random() * 0.03)
            counts["committed"] += 1
            counts["created"] += created

        def work():
            while not os.path.exists(until):
                try:
                    one()
                except IntegrityError as error:
                    counts["failed"] += 1
                    errors.append(str(error))
                except Exception as error:
                    counts["other"] += 1
                    errors.append(repr(error))
                time.sleep(random.random() * 0.1)
            connection.close()

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.stdout.write(json.dumps({**counts, "errors": errors[:5]}))
