"""The address of the page that shows an invitation. What the page must know stands behind `#`: no server logs it."""

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

PAGE = "/invitation"


def invitation_link(request: HttpRequest, token: str) -> str:
    return f"{settings.PUBLIC_URL or _own_origin(request)}{PAGE}#{token}"


def _own_origin(request: HttpRequest) -> str:
    """Return the origin that the call was sent to, if the host is one of ours by name; else nothing.

    A caller may name any host, and the link would lead whoever is invited, with the token, to it.
    """
    if "*" in settings.ALLOWED_HOSTS:
        return ""
    try:
        return f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:
        return ""
