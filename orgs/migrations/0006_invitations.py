"""Invitations: a place in an organization, offered to an e-mail address."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Lower, Now

from api.identifiers import new_id
from orgs.policies import fence

ROLES = [("owner", "Owner"), ("admin", "Admin"), ("member", "Member")]
UNDECIDED = models.Q(("accepted_at", None), ("revoked_at", None))
USER = settings.AUTH_USER_MODEL


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0005_grant_sign_in"),
        migrations.swappable_dependency(USER),
    ]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("generation", models.PositiveBigIntegerField(default=1)),
                ("id", models.UUIDField(default=new_id, editable=False, primary_key=True, serialize=False)),
                ("owner_id", models.UUIDField(editable=False)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("email", models.EmailField(max_length=254)),
                ("role", models.CharField(choices=ROLES, max_length=10)),
                ("token_id", models.CharField(editable=False, max_length=12, unique=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("expires_at", models.DateTimeField()),
                ("sent_count", models.PositiveIntegerField(default=1, editable=False)),
                ("last_sent_at", models.DateTimeField(editable=False)),
                ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("last_attempt_at", models.DateTimeField(editable=False, null=True)),
                ("accepted_at", models.DateTimeField(editable=False, null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=USER,
                    ),
                ),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="orgs.organization",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["organization", "-id"], name="orgs_invitation_by_org"),
                    models.Index(Lower("email"), name="orgs_invitation_by_email"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("organization"), Lower("email"), condition=UNDECIDED, name="orgs_invitation_one_open"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["owner", "admin", "member"])), name="orgs_invitation_role"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("accepted_at", None), ("revoked_at", None), _connector="OR"),
                        name="orgs_invitation_one_end",
                    ),
                ],
            },
        ),
        fence("orgs_invitation"),
    ]
