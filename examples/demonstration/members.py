"""A member: invited by link, bounded by their role, promoted, demoted and removed."""

import secrets
from typing import Any

from demonstration.wire import Holdfast, connected, insist, sign_up, text, told, until


def work_with_a_member(owner: Holdfast, url: str) -> None:
    """Invite someone by link; they accept and work as a member, until the owner removes them."""
    accepted = join_by_link(owner, url)
    with connected(url, accepted["api_key"]["key"]) as member:
        do_what_a_member_may(member)
        look_for_what_others_have(member, url)
        change_their_place(owner, member, accepted["membership"]["id"])


def join_by_link(owner: Holdfast, url: str) -> dict[str, Any]:
    email = f"demo-{secrets.token_hex(6)}@example.com"
    invited = owner.post("/invitations", {"email": email, "role": "member"})
    told("Invited a member by link", invited["link"][: -len(invited["token"])] + invited["token"][:16] + "…")
    accept = {"token": invited["token"], "display_name": "Mel", "password": secrets.token_urlsafe(18)}
    with connected(url) as anyone:
        offer = anyone.post("/invitations/look-up", {"token": invited["token"]}, expect=200)
        insist((offer["email"], offer["role"]), (email, "member"), "What the link offers")
        accepted: dict[str, Any] = anyone.post("/invitations/accept", accept)
        told("They accepted", accepted["user"]["email"], f"key {accepted['api_key']['key'][:15]}…")
        again = anyone.post("/invitations/accept", accept, expect=(410, "invitation-used"))
        told("The link works once", 410, again["detail"])
    return accepted


def do_what_a_member_may(member: Holdfast) -> None:
    session = member.post("/sessions", {"title": "Mel's", "state": {"step": 1}})
    task = member.post("/tasks", {"message": text("Water the plants")})
    told("A member keeps sessions and tasks", session["id"], task["id"])
    refused = ["/members", "/invitations", "/api-keys", "/audit"]
    for path in refused:
        member.get(path, expect=(403, "scope-missing"))
    told("What only admins may is refused", f"403 scope-missing: {', '.join(refused)}")


def look_for_what_others_have(member: Holdfast, url: str) -> None:
    with connected(url, sign_up(url)["api_key"]["key"]) as other:
        theirs = other.post("/sessions", {"title": "Theirs"})
        organization = other.get("/me")["organization"]["id"]
    for path in (f"/sessions/{theirs['id']}", f"/orgs/{organization}"):
        member.get(path, expect=(404, "not-found"))
    told("Another organization is not found", "404 not-found")


def change_their_place(owner: Holdfast, member: Holdfast, membership_id: str) -> None:
    path = f"/members/{membership_id}"
    owner.call("PATCH", path, {"role": "admin"})
    # At once in the process that changed it; others may believe the old role for some seconds.
    until(lambda: member.client.get("/api/v1/audit").status_code == 200, "the member is an admin")
    told("Promoted: the same key may do what an admin may", member.get("/me")["role"], "GET /audit 200")
    owner.call("PATCH", path, {"role": "member"})
    until(lambda: member.client.get("/api/v1/audit").status_code == 403, "the member is an admin no more")
    again = member.get("/audit", expect=(403, "scope-missing"))
    told("Demoted: it may no more", 403, again["detail"])
    owner.call("DELETE", path, expect=204)
    until(lambda: member.client.get("/api/v1/me").status_code == 401, "the removed member's key is refused")
    refused = member.get("/me", expect=(401, "api-key-revoked"))
    told("The member was removed", 401, refused["detail"])
    [own] = owner.get("/members?role=owner")["items"]
    last = owner.call("DELETE", f"/members/{own['id']}", expect=(409, "last-owner")).json()
    told("The last owner stays", 409, last["detail"])
