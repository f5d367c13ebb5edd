from django.contrib import admin
from django.urls import URLPattern, path
from django.views.generic import RedirectView

from api.metrics import metrics
from config.api import api
from operations.health import live, ready
from orgs.pages import invitation

admin.site.site_header = admin.site.site_title = "Holdfast"
admin.site.index_title = "Operators' console"

# Matched before the include, which would look at the API's every route and make a match for each level.
HOT = ("append_message", "get_task", "get_session", "replace_state", "claim_tasks")
api_patterns, _, _ = api.urls
hot_patterns = [
    path(f"api/v1/{route.pattern}", route.callback)
    for route in api_patterns
    if isinstance(route, URLPattern) and route.callback is not None and route.name in HOT
]

urlpatterns = [
    *hot_patterns,
    path("api/v1/", api.urls),
    path("live", live),
    path("ready", ready),
    path("metrics", metrics),
    path("invitation", invitation),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("", RedirectView.as_view(url="/api/v1/docs")),
]
handler400 = "config.errors.bad_request"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
