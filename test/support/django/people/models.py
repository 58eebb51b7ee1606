"""User models as projects have them: other key types, other table names."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone


class Manager(BaseUserManager):
    def create_user(self, username, password=None, **fields):
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class Person(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    is_active = models.BooleanField(default=True)

    objects = Manager()

    USERNAME_FIELD = "username"

    class Meta:
        abstract = True


class BigintUser(Person):
    id = models.BigAutoField(primary_key=True)


class UuidUser(Person):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class StaffMember(Person):
    """Nothing is called as Django calls it, save in Python."""

    id = models.AutoField(primary_key=True, db_column="staff_no")
    is_active = models.BooleanField(default=True, db_column="employed")

    class Meta:
        db_table = "hospital_staff"


class KeyedByUuid(Person):
    """A key that isn't called id."""

    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4)


class MailUser(AbstractBaseUser):
    """No column says who is active: is_active is an attribute in Python."""

    email = models.EmailField(primary_key=True)

    objects = Manager()

    USERNAME_FIELD = "email"


class CodeUser(Person):
    code = models.CharField(primary_key=True, max_length=20)


class SmallintUser(Person):
    """A table that was there before Django."""

    is_active = models.SmallIntegerField(default=1)


class Employee(Person):
    id = models.BigAutoField(primary_key=True)


class Nurse(Employee):
    """Inherits its columns by a join."""

    ward = models.CharField(max_length=20, default="")


class NotDeleted(Manager):
    def get_queryset(self):
        return super().get_queryset().filter(deleted_at__isnull=True)


class SoftUser(Person):
    """Deleted users stay in the table, and Django doesn't see them."""

    id = models.BigAutoField(primary_key=True)
    deleted_at = models.DateTimeField(null=True)

    objects = NotDeleted()


class Lock(models.Model):
    """Who is locked out, in a table of its own."""

    user_id = models.BigIntegerField()
    until = models.DateTimeField()


def is_not_locked(user):
    """A USER_AUTHENTICATION_RULE."""
    if user is None or not user.is_active:
        return False
    now = timezone.now()
    return not Lock.objects.filter(user_id=user.pk, until__gt=now).exists()
