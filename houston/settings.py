"""Every setting, read from the environment, valid with nothing set.

A value that cannot be used stops the start with its name. A secret may come from a file: with
`HOUSTON_SECRET_KEY_FILE=/run/secrets/key` the file's content is the value.
"""

import contextlib
import datetime
import hashlib
import ipaddress
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import FileAwareEnv, ValidationError, validate
from kombu import Exchange, Queue

# Environment readers ------------------------------------------------------------------------------

# Whoever writes a file ends its last line.
env = FileAwareEnv(strip_whitespace=True)
LONGEST_SOCKET_DIR = 70


def _keep(path: Path, make: Any) -> str:
    """Read a secret that this installation made for itself, making it on the first start."""
    if not path.exists():
        # Whole or not at all, also when two processes start at once or one of them dies.
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w") as file:
            file.write(make() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
        Path(name).unlink()
    value = path.read_text().strip()
    if not value:
        raise ImproperlyConfigured(f'Cannot start with an empty key: restore "{path}"')
    return value


def _is_set(name: str, value: object) -> bool:
    """Whether a key comes from the environment. One that is there and empty is a mistake.

    Each container would make a key for itself then, and could not read what the others write.
    """
    if not value and (name in os.environ or f"{name}_FILE" in os.environ):
        raise ImproperlyConfigured(
            f"Cannot start with an empty {name}: give it a value, the same for every process, or "
            "take it and its _FILE away, and the data folder keeps a key of its own"
        )
    return bool(value)


def _check_keys(keys: list[str], place: str) -> None:
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"Cannot use {place}: key {number} is not 32 bytes in URL-safe base64, make one "
                "with head -c 32 /dev/urandom | base64 | tr +/ -_"
            ) from error


def _networks(name: str, listed: list[str]) -> list[str]:
    """Addresses and networks, checked."""
    for each in listed:
        try:
            ipaddress.ip_network(each)
        except ValueError as error:
            raise ImproperlyConfigured(
                f'Cannot use {name} "{each[:60]}": list addresses or networks, such as '
                "127.0.0.1,10.0.0.0/8"
            ) from error
    return listed


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ImproperlyConfigured(
            f'Cannot use HOUSTON_URL "{url[:60]}": begin it with http:// or https://, such as '
            "https://houston.example.com"
        )


def _check_database_url(url: str) -> None:
    """Refuse what would be understood as something else. Nothing of it is told: passwords are."""
    scheme, _, rest = url.partition(":")
    if scheme not in {"postgres", "postgresql", "pgsql", "sqlite"} or not rest.startswith("//"):
        raise ImproperlyConfigured(
            "Cannot use DATABASE_URL: PostgreSQL and SQLite are supported, such as "
            "postgres://user:password@host/name or sqlite:////folder/houston.sqlite3"
        )
    if scheme == "sqlite":
        return
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        # Raises where it is no number, and then it is the rest of a password.
        _ = parts.port
        name = parts.path[1:]
        if (name or "service=" in parts.query) and not ({"@", "/"} & {*name} or parts.fragment):
            return
    raise ImproperlyConfigured(
        "Cannot use DATABASE_URL: the name of the database is missing or makes no sense; in user, "
        "password and name write # as %23, / as %2F, ? as %3F, @ as %40"
    )


def _days(least: int) -> Any:
    """Checks how long something is kept: 0, or so many days at least."""

    def check(value: int) -> None:
        if value and not least <= value <= 3650:  # noqa: PLR2004
            raise ValidationError(f"must be 0 for ever, or {least} to 3650")

    return check


def _issuer(url: str) -> str:
    """The address of who vouches for people, checked."""
    parts = urlsplit(url)
    is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    fits = parts.scheme == "https" or (parts.scheme == "http" and is_local)
    if not (fits and parts.hostname) or parts.query or parts.fragment or "@" in parts.netloc:
        raise ImproperlyConfigured(
            f'Cannot use HOUSTON_OIDC_URL "{url[:60]}": name the issuer, such as '
            "https://login.example.com/realms/main, with http:// only on this machine"
        )
    return url.rstrip("/")


def _socket_dir(data_dir: Path) -> Path:
    """A folder for Unix sockets: their paths end at 107 bytes, a data folder may lie deeper."""
    if len(str(data_dir)) <= LONGEST_SOCKET_DIR:
        return data_dir / "run"
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"houston-{os.getuid()}-{name}"


# Identity and hosts -------------------------------------------------------------------------------

# What is written is nobody else's business on this machine: keys, database, broker's log.
os.umask(0o077)
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("HOUSTON_DATA_DIR", str(BASE_DIR / "data"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
SOCKET_DIR = _socket_dir(DATA_DIR)
SOCKET_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
if SOCKET_DIR.stat().st_uid != os.getuid():
    raise ImproperlyConfigured(f'Cannot use "{SOCKET_DIR}" for sockets: another user owns it')

HOUSTON_HOST = env.str("HOUSTON_HOST", "127.0.0.1")
HOUSTON_PORT = env.int("HOUSTON_PORT", 8000, validate=validate.Range(1, 65535))
HOUSTON_URL = env.str("HOUSTON_URL", f"http://{HOUSTON_HOST}:{HOUSTON_PORT}").rstrip("/")
_check_url(HOUSTON_URL)
HOUSTON_DEMO_PASSWORD = env.str("HOUSTON_DEMO_PASSWORD", "")

DEBUG = env.bool("HOUSTON_DEBUG", False)
SECRET_KEY = env.str("HOUSTON_SECRET_KEY", "")
if not _is_set("HOUSTON_SECRET_KEY", SECRET_KEY.strip()):
    SECRET_KEY = _keep(DATA_DIR / "secret.key", lambda: secrets.token_urlsafe(50))
# What older keys have signed stays valid while they are listed here.
SECRET_KEY_FALLBACKS: list[str] = env.list("HOUSTON_SECRET_KEY_FALLBACKS", [])
# The first key encrypts, all of them decrypt; `manage.py rotate-keys` makes the first one do.
ENCRYPTION_KEYS: list[str] = env.list("HOUSTON_ENCRYPTION_KEYS", [])
ENCRYPTION_KEYS = [key.strip() for key in ENCRYPTION_KEYS if key.strip()]
ENCRYPTION_KEY_FILE = None
if not _is_set("HOUSTON_ENCRYPTION_KEYS", ENCRYPTION_KEYS):
    ENCRYPTION_KEY_FILE = DATA_DIR / "encryption.key"
    ENCRYPTION_KEYS = _keep(ENCRYPTION_KEY_FILE, lambda: Fernet.generate_key().decode()).split()
_check_keys(ENCRYPTION_KEYS, f'"{ENCRYPTION_KEY_FILE or "HOUSTON_ENCRYPTION_KEYS"}"')
_url_host = urlsplit(HOUSTON_URL).hostname or "localhost"
ALLOWED_HOSTS = env.list("HOUSTON_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", _url_host])
# Whose X-Forwarded-For is believed; of everybody else the address they connect from counts.
TRUSTED_PROXIES = _networks("HOUSTON_TRUSTED_PROXIES", env.list("HOUSTON_TRUSTED_PROXIES", []))
CSRF_TRUSTED_ORIGINS = [HOUSTON_URL] if HOUSTON_URL.startswith("https://") else []

# Apps and middleware ------------------------------------------------------------------------------

INSTALLED_APPS = [
    "houston.apps.HoustonConfig",
    "functions.apps.FunctionsConfig",
    "invoker.apps.InvokerConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "axes",
    "django_htmx",
    "drf_spectacular",
    "rest_framework",
    "template_partials",
    "csp",
]
MIDDLEWARE = [
    "houston.middleware.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "houston.middleware.ReadTimeoutMiddleware",
    "houston.middleware.RequestIdMiddleware",
    "houston.middleware.DoorMiddleware",
    "houston.addresses.OriginMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "houston.middleware.VaryMiddleware",
    "houston.middleware.ToastMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "houston.coming_in.LastSeenMiddleware",
    "houston.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "houston.urls"
WSGI_APPLICATION = "houston.wsgi.application"
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
                "houston.middleware.console",
            ],
            "builtins": ["houston.templatetags.ui"],
        },
    }
]
FORM_RENDERER = "houston.forms.FormRenderer"
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# Database -----------------------------------------------------------------------------------------

# Behind a pooler whose connections take turns, nothing may be kept on the server between two
# transactions: no prepared statement, no cursor.
DATABASE_POOLED = env.bool("HOUSTON_DATABASE_POOLED", False)
_check_database_url(env.str("DATABASE_URL", "sqlite:///"))
DATABASES = {
    "default": env.dj_db_url(
        "DATABASE_URL",
        f"sqlite:///{quote(str(DATA_DIR / 'houston.sqlite3'))}",
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # One writer at a time, readers never wait. IMMEDIATE takes the write lock when a transaction
    # starts, so that two that read first cannot fail each other at their first write.
    DATABASES["default"]["ENGINE"] = "houston.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A host that was cut off or stopped in the middle of a transaction holds rows that others wait
    # for, and would for hours. Either side notices within seconds. DATABASE_URL may say otherwise.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        # What each event asks is planned once by each connection.
        "prepare_threshold": None if DATABASE_POOLED else 3,
        "keepalives_idle": 5,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "options": "-c idle_in_transaction_session_timeout=20s -c tcp_user_timeout=15s"
        " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3",
    } | DATABASES["default"].get("OPTIONS", {})
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_POOLED
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Signing in ---------------------------------------------------------------------------------------

AUTH_USER_MODEL = "houston.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator",
                 "CommonPasswordValidator", "NumericPasswordValidator")
]  # fmt: skip
SESSION_COOKIE_AGE = 8 * 60 * 60
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_ADAPTER = "houston.coming_in.Adapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 1
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_FORMS = {
    "login": "houston.account_forms.SignInForm",
    "reset_password": "houston.person_forms.ForgottenForm",
    "reset_password_from_key": "houston.person_forms.NewPasswordForm",
    "reauthenticate": "houston.person_forms.ConfirmForm",
}
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_SESSION_COOKIE_AGE = SESSION_COOKIE_AGE
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
# Passwords are counted by axes, by name and address, so that nobody locks out their colleagues;
# codes of second factors fall under "login_failed", for each person.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "login_failed": "5/5m/key",
    "reauthenticate": "10/m/user",
    "reset_password": "20/h/ip,5/h/key",
    "reset_password_from_key": "30/10m/ip",
    "change_password": "20/h/user",
    "manage_email": "10/h/user",
    "invite": "60/h/user",
    "accept_invitation": "30/10m/ip,20/h/key",
    "single_sign_on": "60/m/ip",
}
# Whoever vouches for people instead of a password: one OpenID Connect provider, or none.
OIDC_URL = env.str("HOUSTON_OIDC_URL", "")
OIDC_CLIENT_ID = env.str("HOUSTON_OIDC_CLIENT_ID", "")
OIDC_CLIENT_SECRET = env.str("HOUSTON_OIDC_CLIENT_SECRET", "")
OIDC_NAME = env.str("HOUSTON_OIDC_NAME", "single sign-on", validate=validate.Length(1, 40))
if OIDC_URL:
    OIDC_URL = _issuer(OIDC_URL)
if any((OIDC_URL, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET)) and not all(
    (OIDC_URL, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET)
):
    raise ImproperlyConfigured(
        "Cannot use single sign-on with a part of it: set HOUSTON_OIDC_URL, "
        "HOUSTON_OIDC_CLIENT_ID and HOUSTON_OIDC_CLIENT_SECRET, or none of them"
    )
SOCIALACCOUNT_ADAPTER = "houston.single_sign_on.Adapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
MFA_ADAPTER = "houston.coming_in.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_FORMS = {
    "add_webauthn": "houston.passkey_forms.AddPasskeyForm",
    "login_webauthn": "houston.passkey_forms.SignInByPasskeyForm",
    "reauthenticate_webauthn": "houston.passkey_forms.ConfirmByPasskeyForm",
    "authenticate": "houston.person_forms.CodeForm",
    "reauthenticate": "houston.person_forms.ConfirmCodeForm",
    "activate_totp": "houston.person_forms.AddAppForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = f"Houston ({_url_host})"
MFA_TOTP_TOLERANCE = 1
MFA_ALLOW_UNVERIFIED_EMAIL = True
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = datetime.timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "houston.views.signing_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "houston.addresses.client_address"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# Counts of attempts hold for all web processes of this host.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": DATA_DIR / "cache",
    },
    # For themselves, as many of them must not push out what counts attempts to sign in.
    "findings": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": DATA_DIR / "findings",
        "OPTIONS": {"MAX_ENTRIES": 1000},
    },
}

# The API ------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["houston.auth.BearerAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "houston.api_errors.handle",
    # Who calls is in `request.auth`; there is no session and no user of Django's.
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DEFAULT_SCHEMA_CLASS": "invoker.api.schema.ApiSchema",
    # Which answer is wanted is never in the query: `format` may be a parameter like any other.
    "URL_FORMAT_OVERRIDE": None,
}
API_REQUESTS_PER_MIN = env.int(
    "HOUSTON_API_REQUESTS_PER_MIN", 3000, validate=validate.Range(1, 1_000_000)
)
API_INVOCATIONS_PER_MIN = env.int(
    "HOUSTON_API_INVOCATIONS_PER_MIN", 1500, validate=validate.Range(1, 1_000_000)
)
API_TOKENS_PER_MIN = env.int(
    "HOUSTON_API_TOKENS_PER_MIN", 60, validate=validate.Range(1, 1_000_000)
)
SPECTACULAR_SETTINGS = {
    "TITLE": "Houston",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "DeadLetterStateEnum": "invoker.models.LetterState",
        "FunctionStateEnum": "functions.models.State",
    },
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "PREPROCESSING_HOOKS": ["houston.openapi.leave_out_twins"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "houston.openapi.complete",
    ],
}

# Static files -------------------------------------------------------------------------------------

_static = BASE_DIR / "static"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
# With prefixes, so that the editor's node_modules can never be collected.
STATICFILES_DIRS = [
    ("css", _static / "css"),
    ("js", _static / "js"),
    ("img", _static / "img"),
    ("editor", _static / "editor" / "dist"),
    ("charts", _static / "charts" / "dist"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Security -----------------------------------------------------------------------------------------

_https = HOUSTON_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "worker-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# The doors and forms read at most this much; a larger body gets 413 with a code.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# As many environment variables as a function may have are two fields each.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
FILE_UPLOAD_HANDLERS = [
    "houston.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# Celery: the table is the queue, the broker only carries "look now" -------------------------------

BROKER_SOCKET = SOCKET_DIR / "broker.sock"
BROKER_URL = env.str("HOUSTON_BROKER_URL", "")
BROKER_EMBEDDED = not BROKER_URL
# Python handles one event at a time, whatever waits beside it: a process for each of two CPUs.
WORKER_PROCESSES = env.int(
    "HOUSTON_WORKER_PROCESSES", min(2, os.cpu_count() or 1), validate=validate.Range(1, 64)
)
WORKER_THREADS = env.int(
    "HOUSTON_WORKER_THREADS", max(8, 32 // WORKER_PROCESSES), validate=validate.Range(1, 500)
)
WEB_WORKERS = env.int("HOUSTON_WEB_WORKERS", 2, validate=validate.Range(1, 64))
# An invocation over the API keeps a thread while its function runs, see invoker.waiting.
WEB_THREADS = env.int("HOUSTON_WEB_THREADS", 16, validate=validate.Range(4, 500))
CELERY_BROKER_URL = BROKER_URL or f"redis+socket://{BROKER_SOCKET}?virtual_host=0"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# For as long as it takes; after 100 times Celery's worker would end.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A broker that is there and takes nothing, because its disk is full or another node leads now, is
# tried again like one that is away; otherwise the worker would end.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "live"
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "direct"
_queue_arguments: dict[str, str] | None = None
# A knock is worth nothing once it was heard: the rows say what is left to do. Late
# acknowledgements only gave kombu something to restore on a connection that was gone.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
# Two more than places for work: somebody has to hear a knock to refuse it, and give signs of life.
CELERY_WORKER_CONCURRENCY = WORKER_THREADS + 2
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# How long a process that is asked to end may take for what it is at. Service managers have to wait
# longer, as those in deploy/ do.
GRACE_S = env.int("HOUSTON_GRACE_S", 25, validate=validate.Range(0, 3600))
# A worker that hears nothing for so long, while its broker is there, ends to be started again.
# More than the 30 s that Celery may wait before it connects again to a broker that was away.
WORKER_DEAF_S = env.float("HOUSTON_WORKER_DEAF_S", 60.0, validate=validate.Range(1, 3600))
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = GRACE_S
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULER = "houston.beat.Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat.schedule")
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
# A door does not wait for a broker that is away: the sweep finds what nobody knocked for.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
if CELERY_BROKER_URL.startswith(("redis", "valkey", "unix")):
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 2,
        # One that is connected and answers nothing; workers wait for it in turns of a second.
        "socket_timeout": 3,
        "health_check_interval": 25,
        "global_keyprefix": "houston:",
    }
elif CELERY_BROKER_URL.startswith(("amqp", "pyamqp")):
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "confirm_publish": True,
        "connect_timeout": 2,
        # One that hangs takes three of these: for the message, its channel and the connection.
        "read_timeout": 3,
        "write_timeout": 3,
    }
    # Of the kind that outlives a node of a cluster. Under a name of its own: a queue that is there
    # already cannot become another kind. Nothing is sent for later, so what Celery sets up for that
    # along with such queues stays empty; it wants this type of exchange.
    CELERY_TASK_DEFAULT_QUEUE = "houston.live"
    _queue_arguments = {"x-queue-type": "quorum"}
    CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic"
    CELERY_BROKER_NATIVE_DELAYED_DELIVERY_QUEUE_TYPE = "classic"
else:
    raise ImproperlyConfigured(
        f'Cannot use HOUSTON_BROKER_URL "{urlsplit(CELERY_BROKER_URL).scheme}:…": the scheme must '
        "be redis, rediss, redis+socket or amqp"
    )

# What may take long does not stand before events in the broker. A worker takes from both in turn,
# and `invoker.places` sees to it that some of its threads stay free for events.
_bulk_queue = CELERY_TASK_DEFAULT_QUEUE.replace("live", "bulk")
CELERY_TASK_QUEUES = [
    Queue(
        name,
        Exchange(name, CELERY_TASK_DEFAULT_EXCHANGE_TYPE),
        routing_key=name,
        queue_arguments=_queue_arguments,
    )
    for name in (CELERY_TASK_DEFAULT_QUEUE, _bulk_queue)
]
CELERY_TASK_ROUTES = {
    name: {"queue": _bulk_queue}
    for name in (
        "invoker.roll_up", "invoker.retain", "invoker.watch", "invoker.tell",
        "invoker.fire_schedules",
    )
}  # fmt: skip

# Running functions --------------------------------------------------------------------------------

INVOCATION_TIMEOUT_S = env.float(
    "HOUSTON_INVOCATION_TIMEOUT_S", 30.0, validate=validate.Range(0.1, 300)
)
SANDBOX_MEMORY_MB = env.int("HOUSTON_SANDBOX_MEMORY_MB", 256, validate=validate.Range(32, 4096))
SANDBOX_INSTANCES = env.int("HOUSTON_SANDBOX_INSTANCES", 200, validate=validate.Range(1, 4000))
SANDBOX_INSTANCES_PER_ACCOUNT = env.int(
    "HOUSTON_SANDBOX_INSTANCES_PER_ACCOUNT", 50, validate=validate.Range(1, 4000)
)
SANDBOX_IDLE_S = env.float("HOUSTON_SANDBOX_IDLE_S", 600.0, validate=validate.Range(1, 86400))
SANDBOX_WAIT_S = env.float("HOUSTON_SANDBOX_WAIT_S", 10.0, validate=validate.Range(0, 300))
SANDBOX_STEMS = env.int("HOUSTON_SANDBOX_STEMS", 4, validate=validate.Range(0, 64))
# Fewer than all is for development on kernels that miss some, and for the tests of each.
SANDBOX_LAYERS = env.list(
    "HOUSTON_SANDBOX_LAYERS",
    ["no_new_privs", "rlimits", "landlock", "seccomp"],
    validate=validate.ContainsOnly(["no_new_privs", "rlimits", "landlock", "seccomp"]),
)
EVENT_MAX_AGE_S = env.float("HOUSTON_EVENT_MAX_AGE_S", 30.0, validate=validate.Range(1, 86400))

# Platforms ----------------------------------------------------------------------------------------

# A third of what this machine handles: beside a connection that sends as much as it may, others
# hardly notice. See `make bench` and `make bench-fair`.
EVENTS_PER_SECOND = env.int(
    "HOUSTON_EVENTS_PER_SECOND",
    15 * (os.cpu_count() or 1),
    validate=validate.Range(1, 1_000_000),
)
INBOX_OF_ACCOUNT = env.int(
    "HOUSTON_INBOX_OF_ACCOUNT", 100_000, validate=validate.Range(1, 100_000_000)
)
INBOX = env.int("HOUSTON_INBOX", 500_000, validate=validate.Range(1, 100_000_000))
# Accounts name where commands and alerts go; they reach public addresses, and what is opened here.
PRIVATE_NETWORKS = _networks("HOUSTON_PRIVATE_NETWORKS", env.list("HOUSTON_PRIVATE_NETWORKS", []))
CALLBACK_TIMEOUT_S = env.float("HOUSTON_CALLBACK_TIMEOUT_S", 10.0, validate=validate.Range(0.1, 60))
CALLBACK_ATTEMPTS = env.int("HOUSTON_CALLBACK_ATTEMPTS", 8, validate=validate.Range(1, 50))
# Where functions and the agent socket find LivePerson's services: scheme and host of its service
# discovery. The hosts that it names are asked over the same scheme, so a test server can stand in
# for all of them.
LIVEPERSON_CSDS = env.str(
    "HOUSTON_LIVEPERSON_CSDS",
    "https://api.liveperson.net",
    validate=validate.Regexp(
        r"https?://[A-Za-z0-9.-]+(:[0-9]+)?\Z", error="must look like https://host"
    ),
)
# Where the process that holds the agent sockets listens for workers, on a port of its own choice.
# With workers on other hosts: an address of this host that they reach.
AGENT_SOCKET_HOST = env.str("HOUSTON_AGENT_SOCKET_HOST", "127.0.0.1")

# Alerts and e-mail --------------------------------------------------------------------------------

EMAIL_HOST = env.str("HOUSTON_EMAIL_HOST", "")
EMAIL_CONFIGURED = bool(EMAIL_HOST)
EMAIL_PORT = env.int("HOUSTON_EMAIL_PORT", 587, validate=validate.Range(1, 65535))
EMAIL_HOST_USER = env.str("HOUSTON_EMAIL_USER", "")
EMAIL_HOST_PASSWORD = env.str("HOUSTON_EMAIL_PASSWORD", "")
_email_security = env.str(
    "HOUSTON_EMAIL_SECURITY", "starttls", validate=validate.OneOf(["starttls", "tls", "none"])
)
EMAIL_USE_TLS, EMAIL_USE_SSL = _email_security == "starttls", _email_security == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("HOUSTON_EMAIL_FROM", f"houston@{_url_host}")

# How long things are kept, in days; 0: for ever. Accounts may set other numbers -----------------

KEEP_EVENTS_DAYS = env.int("HOUSTON_KEEP_EVENTS_DAYS", 90, validate=_days(7))
KEEP_LOGS_DAYS = env.int("HOUSTON_KEEP_LOGS_DAYS", 90, validate=_days(1))
KEEP_BODIES_DAYS = env.int("HOUSTON_KEEP_BODIES_DAYS", 30, validate=_days(1))

# Watching over it ---------------------------------------------------------------------------------

# Every process of this host counts in files of its own here, /metrics adds them up.
METRICS_DIR = DATA_DIR / "metrics"
METRICS_TOKEN = env.str("HOUSTON_METRICS_TOKEN", "")
# Where this host has a worker and no web server, the worker answers /metrics here; 0: nowhere.
METRICS_HOST = env.str("HOUSTON_METRICS_HOST", "127.0.0.1")
METRICS_PORT = env.int("HOUSTON_METRICS_PORT", 0, validate=validate.Range(0, 65535))
SENTRY_DSN = env.str("HOUSTON_SENTRY_DSN", "")
# OpenTelemetry reads its own variables; this one says whether it is wanted at all.
OTEL_ENABLED = bool(env.str("OTEL_EXPORTER_OTLP_ENDPOINT", ""))

# Logging ------------------------------------------------------------------------------------------

LOG_LEVEL = env.str(
    "HOUSTON_LOG_LEVEL",
    "INFO",
    validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]),
)
LOG_FORMAT = env.str("HOUSTON_LOG_FORMAT", "line", validate=validate.OneOf(["line", "json"]))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "houston.logs.LineFormatter"},
        "json": {"()": "houston.logs.json_formatter"},
    },
    "filters": {
        "not_readiness": {"()": "houston.logs.NotReadiness"},
        "without_tokens": {"()": "houston.logs.WithoutTokens"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR", "filters": ["not_readiness", "without_tokens"]},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "oauthlib": {"level": "WARNING"},
        # Its debug lines hold the address of a socket, and that holds a token.
        "websockets": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        # Tells the source of each task's signature.
        "celery.utils.functional": {"level": "INFO"},
    },
}
