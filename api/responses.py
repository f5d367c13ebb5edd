"""Answers whose JSON text comes ready from the database."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from api import etags


def document_response(
    request: HttpRequest, generation: int, text: str, *, status: int = 200, location: str | None = None
) -> HttpResponse:
    """Return the document with its ETag, or 304 when a GET names the current generation in If-None-Match."""
    if request.method == "GET" and etags.matches_known_copy(request, generation):
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(text.encode(), status=status, content_type="application/json; charset=utf-8")
    response.headers["ETag"] = etags.etag(generation)
    if location is not None:
        response.headers["Location"] = location
    return response
