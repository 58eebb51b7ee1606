"""What sites put around simplejwt's views, and no server in front can keep."""

from rest_framework import views
from rest_framework.response import Response
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.views import TokenRefreshView


class RoleSerializer(TokenRefreshSerializer):
    def validate(self, attrs):
        return dict(super().validate(attrs), role="nurse")


class RoleView(TokenRefreshView):
    """Names its serializer as simplejwt's own views do."""

    _serializer_class = "people.customs.RoleSerializer"


class Audit:
    """A middleware."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Audit"] = "1"
        return response


def problem_details(error, context):
    response = views.exception_handler(error, context)
    if response is None:
        return None
    return Response({"title": "problem"}, response.status_code)
