"""What erases what this app, and those below it, hold of an organization."""

from orgs import organization_erasers as erasers

# The answer to a call that made another organization belongs to that one, and names the caller's in `principal`.
ANSWERS = "%s::text IN (organization_id::text, split_part(principal, ':', 1))"
# What operators did is in Django's own log too, with the names of things: all that the trail knows as a subject. Users
# stay, and so does what was done to them.
CONSOLE = """
object_id IN (SELECT e.subject_id FROM audit_entry e WHERE e.organization_id = %s)
AND content_type_id NOT IN (SELECT c.id FROM django_content_type c WHERE c.app_label = 'accounts')
"""


def register_all() -> None:
    erasers.register_table("orgs_invitation", order=erasers.IDENTITY)
    erasers.register_table("orgs_apikey", order=erasers.IDENTITY)
    erasers.register_table("orgs_membership", order=erasers.IDENTITY + 1)
    erasers.register_table("orgs_agent", order=erasers.IDENTITY + 2)
    erasers.register(
        "api_idempotentanswer",
        erasers.rows_of("api_idempotentanswer", ANSWERS),
        order=erasers.ANSWERS,
        tables=["api_idempotentanswer"],
    )
    erasers.register("django_admin_log", erasers.rows_of("django_admin_log", CONSOLE), order=erasers.CONSOLE)
    erasers.register_table("audit_entry", order=erasers.TRAIL)
