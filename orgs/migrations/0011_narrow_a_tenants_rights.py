"""What a tenant's role may change: of each table the columns that its operations write, and no row that none removes.

The second fence keeps organizations apart; this keeps a mistake inside one from reaching what only operators decide,
such as its limits, or what nobody changes, such as the powers of a key.
"""

from django.db import migrations

from orgs.policies import narrow

NARROW = {
    "orgs_organization": (
        (),
        (
            "name", "slug", "owner_id", "generation", "metadata", "key_max_days", "key_reminder_days",
            "deletion_delay_days", "deletes_at",
        ),
    ),
    "orgs_membership": (("DELETE",), ("role", "generation")),
    "orgs_invitation": (
        ("INSERT",),
        ("token_id", "digest", "expires_at", "last_sent_at", "sent_count", "revoked_at", "generation"),
    ),
    "orgs_agent": (("INSERT", "DELETE"), ("name", "slug", "description", "card", "generation")),
    "orgs_apikey": (
        ("INSERT", "DELETE"),
        ("expires_at", "ends_by_policy", "reminded_at", "revoked_at", "replaces_id", "replaced_by_id", "generation"),
    ),
}  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("orgs", "0010_erasure")]

    operations = [narrow(table, verbs=verbs, columns=columns) for table, (verbs, columns) in NARROW.items()]
