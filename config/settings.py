"""Settings of the service, read once from the environment; a bad or missing value stops the start.

`HOLDFAST_EMBEDDED=1` is set by `manage.py` when it runs PostgreSQL and Valkey itself; it only relaxes what is
safe on the one machine it serves: the host names and open sign-up.
"""

from pathlib import Path

from api.addresses import PATIENCE
from config.brokers import broker_transport_options, broker_url, broker_use_ssl
from config.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# True when `manage.py` started the servers itself and made the secrets in var/secrets.
EMBEDDED = env.boolean("HOLDFAST_EMBEDDED", False)

# Read first: half an address is refused as such, not as the secret that the embedded servers would have brought along.
_database = env.database()
_valkey = env.valkey()
REDIS_URL = _valkey.url

DEBUG = False
# Signs cursors, the console's cookies and the receipts of erasures, and encrypts the answers kept for idempotency and
# the secrets of TOTP.
SECRET_KEY = env.secret("SECRET_KEY")
# Older SECRET_KEYs, newest first: what was signed or encrypted with them stays good during a rotation. Keep one for as
# long as receipts that it signed are to be verified, and operators use two-step sign-in that was set up under it.
SECRET_KEY_FALLBACKS = env.secrets("SECRET_KEY_FALLBACKS")
# Host names that the console answers to; the API answers to any.
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
# Origins, with scheme, from which the console takes forms when a proxy changes the host name.
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
# The origin by which people reach the service, for the links of invitations. Without one a link names the host that the
# call was sent to, where ALLOWED_HOSTS has it by name, and else begins with the path.
PUBLIC_URL = env.origin("PUBLIC_URL")

# May anyone who reaches the service make an organization? `make up` closes it where HOST lets others reach it.
SIGNUP = env.choice("SIGNUP", "open" if EMBEDDED else "closed", ("open", "closed"))

# OpenID Connect issuers whose tokens are taken, a JSON list:
# [{"issuer": "https://…", "audience": "…"}]; docs/how-to/accept-tokens-of-your-identity-provider.md tells the rest.
OIDC_ISSUERS = env.issuers("OIDC_ISSUERS")
# May a user of the API make further organizations? Unless it is said, as strangers may make their first one.
ORG_CREATION = env.choice("ORG_CREATION", SIGNUP, ("open", "closed"))
# How many organizations a user may own who makes further ones.
ORGANIZATIONS_PER_USER = env.integer("ORGANIZATIONS_PER_USER", 20, least=1, most=1_000_000)
# Members of an organization, unless an operator gave it another limit.
ORG_MAX_MEMBERS = env.integer("ORG_MAX_MEMBERS", 1_000, least=1, most=1_000_000)
# Agents of an organization, likewise.
ORG_MAX_AGENTS = env.integer("ORG_MAX_AGENTS", 1_000, least=1, most=1_000_000)
# API keys of an organization that can be used, of a rotation one, likewise.
ORG_MAX_API_KEYS = env.integer("ORG_MAX_API_KEYS", 1_000, least=1, most=1_000_000)

# Calls in any window, beyond which they are answered 429; 0 is no limit. Of one API key, or of a user with tokens,
# unless an operator gave the organization another number.
RATE_LIMIT_KEY = env.integer("RATE_LIMIT_KEY", 6_000, least=0, most=1_000_000_000)
# Of all keys and users of one organization, likewise.
RATE_LIMIT_ORGANIZATION = env.integer("RATE_LIMIT_ORGANIZATION", 60_000, least=0, most=1_000_000_000)
# Of one address (of IPv6, one /64): sign-ups, invitations looked up or accepted, erasures asked for, tries to sign in
# to the console. While Valkey cannot be reached none of these is possible, unless this is 0.
RATE_LIMIT_SIGN_IN = env.integer("RATE_LIMIT_SIGN_IN", 30, least=0, most=1_000_000_000)
# Reads of secrets of one API key; likewise.
RATE_LIMIT_SECRETS = env.integer("RATE_LIMIT_SECRETS", 600, least=0, most=1_000_000_000)
# Seconds of the windows in which calls are counted.
RATE_LIMIT_WINDOW_SECONDS = env.integer("RATE_LIMIT_WINDOW_SECONDS", 60, least=1, most=3600)

# How long an answer kept for an Idempotency-Key is replayed.
IDEMPOTENCY_HOURS = env.integer("IDEMPOTENCY_HOURS", 24, least=1, most=24 * 30)
# The least severe log line that is written.
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
# Number of proxies in front whose X-Forwarded-For entries are believed when audit notes where a call came from, and
# when failed sign-ins are counted. With too low a number everyone behind the proxy has one address, and waits together.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, least=0, most=10)
# Set where TLS ends at a proxy: cookies become Secure.
BEHIND_TLS = env.boolean("BEHIND_TLS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
SECURE_REFERRER_POLICY = "same-origin"

INSTALLED_APPS = [
    # Before Django's, whose createsuperuser it replaces.
    "operations",
    "orgs.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "ninja",
    "audit",
    "api",
    "accounts",
    "orgs",
    "coordination",
    "events",
    "sessions_store",
    "tasks",
]

# One middleware stands on API paths; what the admin needs runs inside OperatorMiddleware, on /admin/ only.
MIDDLEWARE = [
    "api.middleware.RequestMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "orgs.middleware.OperatorMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    "admin.E408",  # authentication, messages and sessions stand in OperatorMiddleware
    "admin.E409",
    "admin.E410",
    "auth.E003",  # e-mail is unique by its lower-case form, a constraint that the check does not see
    "security.W003",  # and so does CSRF; the API takes no cookies
    "security.W002",  # X-Frame-Options is set there too
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
# Body limits are per operation (api/requests.py), counted while reading.
DATA_UPLOAD_MAX_MEMORY_SIZE = None

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Set to false behind a transaction pooler that does not track prepared statements.
PREPARE_STATEMENTS = env.boolean("DB_PREPARE_STATEMENTS", True)
# Seconds until a serving process gives up a statement, and a sixth of them a lock. 0 leaves it to the server: behind a
# pooler that refuses it (PgBouncer), ALTER ROLE … SET statement_timeout, lock_timeout instead.
DB_STATEMENT_TIMEOUT = env.integer("DB_STATEMENT_TIMEOUT", 30, least=0, most=3600)
_options = _database.pop("OPTIONS")
assert isinstance(_options, dict)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **_database,
        # Connections belong to the server's few threads and stay; orgs/connections.py finds a dead one without a query.
        "CONN_MAX_AGE": None,
        "DISABLE_SERVER_SIDE_CURSORS": not PREPARE_STATEMENTS,
        "OPTIONS": {
            **PATIENCE,
            **_options,
            "server_side_binding": True,
            "prepare_threshold": 2 if PREPARE_STATEMENTS else None,
        },
    }
}

# Threads of each web process behind the one port of `make up`, each with its own database connection.
WEB_THREADS = env.integer("WEB_THREADS", 8, least=1, most=64)

# Calls that wait at once in one ASGI process. A worker of granian takes 1,024 connections, of several workers each its
# part, unless `--backpressure` says otherwise; ordinary calls need some of them too.
WAITING_CALLS = env.integer("WAITING_CALLS", 600, least=0, most=100_000)
# Of those, the most of one organization.
WAITING_CALLS_PER_ORGANIZATION = env.integer("WAITING_CALLS_PER_ORGANIZATION", 200, least=0, most=100_000)

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        # A list: the URL of several Sentinels holds commas.
        "LOCATION": [REDIS_URL],
        # Keys are made by coordination/keys.py, whole.
        "KEY_FUNCTION": "coordination.shared.plain_key",
        "REVERSE_KEY_FUNCTION": "coordination.shared.plain_name",
        "OPTIONS": {
            # Clients as everywhere: coordination/clients.py.
            "CONNECTION_FACTORY": "coordination.shared.ClientFactory",
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        },
    }
}

CELERY_BROKER_URL = broker_url(_valkey)
CELERY_BROKER_TRANSPORT_OPTIONS = broker_transport_options(_valkey)
CELERY_BROKER_USE_SSL = broker_use_ssl(_valkey)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
# No time limits: a worker's threads cannot be interrupted. Jobs have the database limit their statements.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

# The shortest password that is taken, of whomever and wherever it is set. The longest has 256 characters.
PASSWORD_MIN_LENGTH = env.integer("PASSWORD_MIN_LENGTH", 12, least=8, most=64)
# Failed sign-ins to the console, of one account from one address, after which that address waits with that account.
SIGN_IN_FAILURES = env.integer("SIGN_IN_FAILURES", 5, least=1, most=100)
# Failed sign-ins from one address (of IPv6, one /64), whichever accounts they name, after which it waits with all.
SIGN_IN_ADDRESS_FAILURES = env.integer("SIGN_IN_ADDRESS_FAILURES", 50, least=1, most=10_000)
# Failed sign-ins of one account from anywhere, after which it waits but where it signed in within 30 days.
SIGN_IN_ACCOUNT_FAILURES = env.integer("SIGN_IN_ACCOUNT_FAILURES", 50, least=1, most=100_000)
# Minutes within which failed sign-ins are counted together, and minutes that such a wait takes.
SIGN_IN_LOCK_MINUTES = env.integer("SIGN_IN_LOCK_MINUTES", 15, least=1, most=24 * 60)
# With required, an operator without TOTP sees nothing of the console but how to set it up.
CONSOLE_TOTP = env.choice("CONSOLE_TOTP", "optional", ("optional", "required"))
# Hours after which a session of the console ends, however much it is used.
CONSOLE_SESSION_HOURS = env.integer("CONSOLE_SESSION_HOURS", 12, least=1, most=24 * 30)
# Minutes without a request after which it ends.
CONSOLE_IDLE_MINUTES = env.integer("CONSOLE_IDLE_MINUTES", 60, least=5, most=24 * 60 * 30)
SESSION_ENGINE = "accounts.console_sessions"
SESSION_COOKIE_AGE = CONSOLE_SESSION_HOURS * 3600

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": "accounts.passwords.MaximumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
# The admin's files are served from the installed packages: nothing to collect before the first start.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "api.logs.JSONFormatter"}, "bare": {"()": "api.logs.BareFormatter"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
        "bare": {"class": "logging.StreamHandler", "formatter": "bare"},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        name: {"handlers": ["stderr"], "level": LOG_LEVEL, "propagate": False}
        for name in ("holdfast", "django", "celery")
    }
    # RequestMiddleware writes one line a request; Django's own would be a second one.
    | {"django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}}
    # Requests that Django finds suspicious: its words hold what was sent, such as a Host header.
    | {"django.security": {"handlers": ["bare"], "level": "WARNING", "propagate": False}},
}
