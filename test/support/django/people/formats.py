"""Bodies of a site's own. Apart from customs.py: DRF imports these before its views."""

from rest_framework import parsers, renderers


class EnvelopeRenderer(renderers.JSONRenderer):
    def render(self, data, *args, **kwargs):
        return super().render({"data": data}, *args, **kwargs)


class TextParser(parsers.BaseParser):
    media_type = "text/plain"

    def parse(self, stream, *args, **kwargs):
        return {"refresh": stream.read().decode()}
