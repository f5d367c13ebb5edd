from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

import api.identifiers


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_sign_in")]

    operations = [
        migrations.CreateModel(
            name="LinkedIdentity",
            fields=[
                (
                    "id",
                    models.UUIDField(default=api.identifiers.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("issuer", models.CharField(max_length=255)),
                ("subject", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                (
                    "user",
                    models.ForeignKey(on_delete=models.CASCADE, related_name="identities", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "verbose_name_plural": "linked identities",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("issuer", "subject"),
                        name="accounts_linkedidentity_unique",
                        violation_error_message="This subject of the issuer is linked to a user already.",
                    )
                ],
            },
        ),
    ]
