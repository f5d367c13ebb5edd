"""The least that `manage.py up` needs of a project: this app, and something to run in each process."""

import shutil
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

_SETTINGS = """
import os
from urllib.parse import urlsplit

SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.contenttypes", "stub", "operations"]
_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "HOST": _url.hostname, "PORT": _url.port,
    "NAME": _url.path.strip("/"), "USER": _url.username, "PASSWORD": _url.password,
}}
"""

_CELERY = """
import os
from celery import Celery

app = Celery("stub", broker=os.environ["REDIS_URL"])
"""

# Ready when both servers answer. A POST adds a row to each before it is answered with their numbers.
_FRONT = """
import os
import psycopg
import redis.asyncio
from operations.embedded.launch import tether

tether()


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    try:
        status, body = 200, await answer(scope["method"])
    except (psycopg.Error, redis.RedisError) as problem:
        status, body = 503, str(problem)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})


async def answer(method):
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS rows (number bigint GENERATED ALWAYS AS IDENTITY)")
        if method == "POST":
            await connection.execute("INSERT INTO rows DEFAULT VALUES")
        (rows,) = await (await connection.execute("SELECT count(*) FROM rows")).fetchone()
    async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"]) as client:
        kept = await client.incrby("rows", 1 if method == "POST" else 0)
    return f"{rows} {kept}"
"""

_BOOTSTRAP = """
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def handle(self, **options):
        self.stdout.write("bootstrapped")
"""

# A command that needs the database, and holds on to it until it may read a line.
_HOLD = """
import sys
from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    def handle(self, **options):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('port')")
            print("port", cursor.fetchone()[0], flush=True)
        sys.stdin.readline()
"""

# A command that ends by itself when it is told to.
_HEED = """
import signal
import sys
from django.core.management.base import BaseCommand


def heed(number, frame):
    sys.exit("heeded")


class Command(BaseCommand):
    def handle(self, **options):
        signal.signal(signal.SIGTERM, heed)
        print("ready", flush=True)
        sys.stdin.readline()
"""

_FILES = {
    "config/__init__.py": "",
    "config/settings.py": _SETTINGS,
    "config/celery.py": _CELERY,
    "config/front.py": _FRONT,
    "accounts/__init__.py": "",
    "accounts/oidc/__init__.py": "",
    "api/__init__.py": "",
    "stub/__init__.py": "",
    "stub/management/__init__.py": "",
    "stub/management/commands/__init__.py": "",
    "stub/management/commands/bootstrap.py": _BOOTSTRAP,
    "stub/management/commands/hold.py": _HOLD,
    "stub/management/commands/heed.py": _HEED,
}


def make_project(root: Path) -> Path:
    """Write the project, with a copy of the code under test, into the folder."""
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copytree(CHECKOUT / "operations", root / "operations", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "manage.py", root)
    apart = ("config/environment.py", "accounts/oidc/issuers.py", "api/documents.py")
    for name in (*apart, "api/addresses.py", "api/valkey_addresses.py"):
        shutil.copy(CHECKOUT / name, root / name)
    return root
