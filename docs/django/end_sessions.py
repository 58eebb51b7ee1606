"""Ends a user's sessions in a transaction of your own.

Copy this file into your project. `carelink-tokens migrate` makes the SQL
function that it calls; `carelink-tokens migrate grants django` prints what
the database role of this Django needs. See docs/audit.md.
"""

from django.db import connection

# Where the token tables are not in the schema public, carelink may have
# another name: `carelink-tokens migrate status` says which.
REVOKE_USER = "SELECT carelink.revoke_user(%s, %s)"


def end_sessions(user, reason):
    """Revokes all refresh tokens of a user; returns how many had a row.

    It takes effect with the COMMIT of the transaction that it is called in,
    and not at all if that is rolled back. Tokens that are issued after it,
    in the same transaction too, are good. Call it before `user.delete()`.
    """
    with connection.cursor() as cursor:
        cursor.execute(REVOKE_USER, [str(user.pk), reason])
        return cursor.fetchone()[0]
