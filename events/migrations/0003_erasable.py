from django.db import migrations

from orgs.policies import erasable


class Migration(migrations.Migration):
    dependencies = [("events", "0002_fence"), ("orgs", "0009_life_of_an_organization")]

    operations = [erasable("events_event")]
