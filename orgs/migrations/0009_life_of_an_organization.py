"""Settings and limits of an organization, and how it ends."""

from django.db import migrations, models

import api.fields
from orgs.policies import erasable, functions, needs_organization
from orgs.tenancy import SYSTEM_ROLE

ERASURES = f"GRANT SELECT, INSERT, UPDATE, DELETE ON orgs_organizationerasure TO {SYSTEM_ROLE}"
NO_ERASURES = f"REVOKE ALL ON orgs_organizationerasure FROM {SYSTEM_ROLE}"


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0008_api_keys_that_end"),
        ("api", "0001_initial"),
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="OrganizationErasure",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("closed_at", models.DateTimeField()),
                ("eraser", models.CharField(blank=True, max_length=60)),
                ("position", models.BigIntegerField(default=0)),
                ("counts", models.JSONField(default=dict)),
                ("row_gone_at", models.DateTimeField(null=True)),
                ("horizon", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="organization",
            name="closed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="deletes_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="deletion_delay_days",
            field=models.PositiveSmallIntegerField(default=7, editable=False),
        ),
        migrations.AddField(
            model_name="organization",
            name="max_agents",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="max_api_keys",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="max API keys"),
        ),
        migrations.AddField(
            model_name="organization",
            name="max_members",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="metadata",
            field=api.fields.ExactJSONField(default=dict, editable=False),
        ),
        migrations.AddIndex(
            model_name="organization",
            index=models.Index(
                condition=models.Q(("closed_at", None), ("deletes_at__isnull", False)),
                fields=["deletes_at"],
                name="orgs_organization_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("deletion_delay_days__range", (1, 90))), name="orgs_organization_deletion_delay"
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("closed_at", None), ("deletes_at__isnull", False), _connector="OR"),
                name="orgs_organization_closed_when_due",
            ),
        ),
        migrations.RunSQL(ERASURES, NO_ERASURES),
        erasable("audit_entry"),
        needs_organization("audit_entry"),
        needs_organization("api_idempotentanswer"),
        functions("orgs", "orgs_find_key"),
    ]
