"""The one page that is not the console's: where an invitation's link leads."""

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

# The page holds a token, a password and a key: nothing but our own files and the API may have a part in it.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@require_safe
def invitation(request: HttpRequest) -> HttpResponse:
    """Answer the same page to everyone: what it shows is read by its script from behind the link's `#`."""
    return HttpResponse(render_to_string("invitation.html"), headers=HEADERS)
