"""A service of two operations: one reads a secret, under the limit of secrets, the other has a defect."""

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


@router.get("/defect", response=str)
@requires(Scope.ME_READ)
def read_defect(request: HttpRequest) -> str:
    raise ZeroDivisionError


api = NinjaAPI(title="Secrets", auth=APIKeyBearer(), urls_namespace="of-secrets")
api.add_decorator(gate, mode="view")
errors.install(api)
api.add_router("", router)
handler500 = errors.server_error
urlpatterns = [path("api/v1/", api.urls)]
