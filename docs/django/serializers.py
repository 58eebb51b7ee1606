"""Serializers with which Django spends a refresh token once, and for good.

Copy this file into your project and name them in your settings:

    SIMPLE_JWT["TOKEN_REFRESH_SERIALIZER"] = (
        "yourapp.serializers.TokenRefreshSerializer"
    )
    SIMPLE_JWT["TOKEN_BLACKLIST_SERIALIZER"] = (
        "yourapp.serializers.TokenBlacklistSerializer"
    )

For djangorestframework-simplejwt 5.2 to 5.5. README.md beside this file says
what it is for.
"""

from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt import serializers
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import datetime_from_epoch


class KeptRefreshToken(RefreshToken):
    def blacklist(self):
        # A project may lengthen a token after for_user has made its row.
        # Whatever cleans up by expires_at would bring the token back.
        row, first = super().blacklist()
        expires_at = datetime_from_epoch(self["exp"])
        if first and row.token.expires_at < expires_at:
            row.token.expires_at = expires_at
            row.token.save(update_fields=["expires_at"])
        return row, first


class SingleUseRefreshToken(KeptRefreshToken):
    def blacklist(self):
        # simplejwt ignores whether its row was the first, so of several
        # refreshes that all passed the check each would go on to rotate.
        row, first = super().blacklist()
        if not first:
            raise TokenError(_("Token is blacklisted"))
        return row, first


class TokenBlacklistSerializer(serializers.TokenBlacklistSerializer):
    # By this the probe of `carelink-tokens adopt` knows it.
    carelink_tokens = "single use"
    token_class = KeptRefreshToken


class TokenRefreshSerializer(serializers.TokenRefreshSerializer):
    carelink_tokens = "single use"
    token_class = SingleUseRefreshToken

    def validate(self, attrs):
        data = super().validate(attrs)
        if "refresh" in data:
            self.record(data["refresh"])
        return data

    def record(self, encoded):
        """Gives the successor its row, as simplejwt does by itself from 5.5.

        "Log out everywhere" looks for a user's tokens in this table.
        """
        token = self.token_class(encoded, verify=False)
        users = get_user_model().objects
        user_id = token.get(api_settings.USER_ID_CLAIM)
        OutstandingToken.objects.get_or_create(
            jti=token[api_settings.JTI_CLAIM],
            defaults={
                "user": users.filter(
                    **{api_settings.USER_ID_FIELD: user_id}
                ).first(),
                "token": encoded,
                "created_at": token.current_time,
                "expires_at": datetime_from_epoch(token["exp"]),
            },
        )
