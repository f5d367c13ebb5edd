"""What keys are for, how they are replaced, reminded of and bounded by their organization."""

import django.db.models.deletion
from django.db import migrations, models

from orgs.policies import same_organization


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0007_linked_identities"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="environment",
            field=models.CharField(
                choices=[
                    ("production", "Production"),
                    ("staging", "Staging"),
                    ("development", "Development"),
                    ("test", "Test"),
                ],
                db_default="production",
                default="production",
                max_length=11,
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="ends_by_policy",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="apikey",
            name="reminded_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="replaced_by",
            field=models.OneToOneField(
                db_constraint=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="orgs.apikey",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="replaces",
            field=models.OneToOneField(
                db_constraint=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="orgs.apikey",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="key_max_days",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="key_reminder_days",
            field=models.PositiveSmallIntegerField(db_default=14, default=14),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                models.F("organization"),
                models.OrderBy(models.F("last_used_at"), nulls_first=True),
                models.F("id"),
                name="orgs_apikey_by_last_use",
            ),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("reminded_at", None), ("replaced_by", None), ("revoked_at", None)),
                fields=["expires_at"],
                name="orgs_apikey_to_remind_of",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(fields=("organization", "id"), name="orgs_apikey_of_organization"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("environment__in", ["production", "staging", "development", "test"])),
                name="orgs_apikey_environment",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_by_policy", False), ("expires_at__isnull", False), _connector="OR"),
                name="orgs_apikey_ends_by_policy",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("key_max_days", None), ("key_max_days__range", (1, 3650)), _connector="OR"),
                name="orgs_organization_key_max_days",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("key_reminder_days__range", (0, 90))), name="orgs_organization_key_reminder_days"
            ),
        ),
        same_organization("orgs_apikey", "replaces_id", "orgs_apikey"),
        same_organization("orgs_apikey", "replaced_by_id", "orgs_apikey"),
    ]
