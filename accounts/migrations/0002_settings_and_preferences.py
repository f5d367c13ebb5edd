"""Settings and preferences of a user, and the generation of what GET /me shows of one."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import api.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="UserSettings",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="settings",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("document", api.fields.ExactJSONField()),
                ("generation", models.PositiveBigIntegerField(default=1)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "user settings",
            },
        ),
        migrations.AddField(
            model_name="user",
            name="generation",
            field=models.PositiveBigIntegerField(default=1, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="preferences",
            field=api.fields.ExactJSONField(default=dict, editable=False),
        ),
    ]
