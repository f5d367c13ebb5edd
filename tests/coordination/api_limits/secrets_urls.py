"""A service whose one operation reads a secret: what the limit of secrets is tried on."""

from django.http import HttpRequest
from django.urls import path
from ninja import NinjaAPI, Router

from config import errors
from orgs.gate import APIKeyBearer, gate
from orgs.permissions import Scope, limited_by, requires

router = Router()


@router.get("/secret", response=str)
@requires(Scope.ME_READ)
@limited_by("secrets")
def read_secret(request: HttpRequest) -> str:
    return "hush"


api = NinjaAPI(title="Secrets", auth=APIKeyBearer(), urls_namespace="of-secrets")
api.add_decorator(gate, mode="view")
errors.install(api)
api.add_router("", router)
urlpatterns = [path("api/v1/", api.urls)]
