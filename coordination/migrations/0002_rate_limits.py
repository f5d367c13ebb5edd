"""Limits of calls that operators give single organizations. A tenant reads its own and writes none."""

import django.db.models.deletion
from django.db import migrations, models

from orgs.policies import fence, functions
from orgs.tenancy import APP_ROLE

READ_ONLY = f"REVOKE INSERT, UPDATE, DELETE ON coordination_organizationratelimits FROM {APP_ROLE}"
WRITABLE = f"GRANT INSERT, UPDATE, DELETE ON coordination_organizationratelimits TO {APP_ROLE}"


class Migration(migrations.Migration):
    dependencies = [
        ("coordination", "0001_fencing_epoch"),
        ("orgs", "0011_narrow_a_tenants_rights"),
    ]

    operations = [
        migrations.CreateModel(
            name="OrganizationRateLimits",
            fields=[
                ("generation", models.PositiveBigIntegerField(default=1)),
                (
                    "organization",
                    models.OneToOneField(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="orgs.organization",
                    ),
                ),
                (
                    "key_requests",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Calls of one API key or user in a window; 0 is no limit, empty the default.",
                        null=True,
                    ),
                ),
                (
                    "organization_requests",
                    models.PositiveIntegerField(
                        blank=True, help_text="Calls of all of them together; likewise.", null=True
                    ),
                ),
            ],
            options={
                "verbose_name": "rate limits of an organization",
                "verbose_name_plural": "rate limits of an organization",
                "ordering": ["-organization_id"],
            },
        ),
        fence("coordination_organizationratelimits"),
        migrations.RunSQL(READ_ONLY, WRITABLE),
        functions("coordination", "coordination_find_rate_limits"),
    ]
