"""Answers whose JSON text comes ready from the database."""

from django.http import HttpResponse

from api import etags


def document_response(generation: int, text: str, *, status: int = 200, location: str | None = None) -> HttpResponse:
    """Return the document with its ETag, and for what was made its Location."""
    response = HttpResponse(text.encode(), status=status, content_type="application/json; charset=utf-8")
    response.headers["ETag"] = etags.etag(generation)
    if location is not None:
        response.headers["Location"] = location
    return response
