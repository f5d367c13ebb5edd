"""The least that `manage.py up` needs of a project: a database, and this app's commands."""

import os
from urllib.parse import urlsplit

SECRET_KEY = os.environ["SECRET_KEY"]
_database = urlsplit(os.environ["DATABASE_URL"])
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "stub", "operations"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _database.hostname,
        "PORT": _database.port,
        "NAME": _database.path.strip("/"),
        "USER": _database.username,
        "PASSWORD": _database.password,
    }
}
