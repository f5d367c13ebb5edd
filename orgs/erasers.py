"""What erases the tables of this app and of those below it."""

from orgs import deletion

# The answer to a call that made another organization belongs to that one, and names the caller's in `principal`.
ANSWERS = "%s::text IN (organization_id::text, split_part(principal, ':', 1))"
# What operators did is in Django's own log too, with the names of things: all that the trail knows as a subject. Users
# stay, and so does what was done to them.
CONSOLE = """
object_id IN (SELECT e.subject_id FROM audit_entry e WHERE e.organization_id = %s)
AND content_type_id NOT IN (SELECT c.id FROM django_content_type c WHERE c.app_label = 'accounts')
"""


def register_all() -> None:
    deletion.register_table("orgs_invitation", order=deletion.IDENTITY)
    deletion.register_table("orgs_apikey", order=deletion.IDENTITY)
    deletion.register_table("orgs_membership", order=deletion.IDENTITY + 1)
    deletion.register_table("orgs_agent", order=deletion.IDENTITY + 2)
    deletion.register(
        "api_idempotentanswer",
        deletion.rows_of("api_idempotentanswer", ANSWERS),
        order=deletion.ANSWERS,
        tables=["api_idempotentanswer"],
    )
    deletion.register("django_admin_log", deletion.rows_of("django_admin_log", CONSOLE), order=deletion.CONSOLE)
    deletion.register_table("audit_entry", order=deletion.TRAIL)
