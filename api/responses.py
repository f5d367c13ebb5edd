"""Answers whose JSON text comes ready from the database."""

from typing import NamedTuple

from django.http import HttpResponse

from api import etags


class Document(NamedTuple):
    """A subject as JSON text ready for the wire."""

    generation: int
    text: str


def document_response(document: Document, *, status: int = 200, location: str | None = None) -> HttpResponse:
    """Return the document with its ETag, and for what was made its Location."""
    response = HttpResponse(document.text.encode(), status=status, content_type="application/json; charset=utf-8")
    response.headers["ETag"] = etags.etag(document.generation)
    if location is not None:
        response.headers["Location"] = location
    return response
