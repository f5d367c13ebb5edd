from django.db import migrations

from orgs.policies import fence


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial"), ("orgs", "0002_serving_roles")]

    operations = [fence("events_event", append_only=True)]
