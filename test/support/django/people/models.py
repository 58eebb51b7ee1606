"""User models as projects have them: other key types, other table names."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


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
