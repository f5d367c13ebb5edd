"""What is a caller's own: settings, keys that are replaced, an organization nearly deleted, and the trail of it all."""

import json

from demonstration.wire import Holdfast, connected, insist, told


def keep_what_is_ones_own(owner: Holdfast, url: str) -> None:
    organization = owner.get("/me")["organization"]
    keep_settings(owner)
    replace_a_key(owner, url)
    think_better_of_a_deletion(owner, organization["id"], organization["slug"])
    read_the_trail(owner)


def keep_settings(owner: Holdfast) -> None:
    empty = owner.call("GET", "/me/settings")
    saved = owner.call("PUT", "/me/settings", {"model": "large", "theme": "dark"}, If_Match=empty.headers["ETag"])
    owner.call("PATCH", "/me/settings", {"theme": None}, If_Match=saved.headers["ETag"])
    stale = owner.call(
        "PATCH", "/me/settings", {"model": "small"}, If_Match=saved.headers["ETag"], expect=(412, "precondition-failed")
    )
    insist(owner.get("/me/settings"), {"model": "large"}, "The user's settings")
    told("A user's settings kept", json.dumps({"model": "large"}), f"and a stale write refused, {stale.status_code}")


def replace_a_key(owner: Holdfast, url: str) -> None:
    old = owner.post("/api-keys", {"name": "worker", "scopes": ["tasks:write"], "environment": "staging"})
    new = owner.post(f"/api-keys/{old['id']}/rotate", {"overlap_seconds": 3600})
    for key in (old, new):
        with connected(url, key["key"]) as worker:
            insist(worker.get("/me")["environment"], "staging", "The environment of the key")
    told("Replaced a key", f"{old['key'][:9]}… by {new['key'][:9]}…, both work for an hour")
    again = owner.post(f"/api-keys/{old['id']}/rotate", {}, expect=(409, "api-key-rotated"))
    told("A key is replaced once", 409, again["detail"])


def think_better_of_a_deletion(owner: Holdfast, organization_id: str, slug: str) -> None:
    path = f"/orgs/{organization_id}"
    owner.call("DELETE", path, expect=(422, "confirmation-missing"))
    asked = owner.call("DELETE", f"{path}?confirm={slug}", expect=202).json()
    told("Asked to delete the organization", "it ends at", asked["deletes_at"])
    insist(owner.call("POST", f"{path}/restore").json()["deletes_at"], None, "When the organization ends")
    told("Cancelled that", "everything works on")


def read_the_trail(owner: Holdfast) -> None:
    actions = "organization.deletion-requested,organization.deletion-cancelled,api-key.rotated"
    found = {entry["action"] for entry in owner.get(f"/audit?action={actions}")["items"]}
    insist(sorted(found), sorted(actions.split(",")), "What the trail has")
    lines = owner.call("GET", "/audit/export?limit=1000").text.splitlines()
    told("The trail has it all", f"{len(lines)} JSON lines exported")
