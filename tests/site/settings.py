"""Settings of the site behind parvis in the end-to-end tests."""

import os
from pathlib import Path

SITE_DIR = Path(os.environ["SITE_DIR"])

# Nothing here is secret. It is fixed so that every process on one SITE_DIR accepts the others'
# sessions, as the workers of a real site do.
SECRET_KEY = "a key for tests"
DEBUG = False
TIME_ZONE = "UTC"

# What Django documents for a site behind a proxy. It trusts these two fields from anybody, which
# is safe only if the proxy sets them: the tests check that it does.
ALLOWED_HOSTS = ["*"]
USE_X_FORWARDED_HOST = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# A site that is served over TLS alone: a request that did not come that way is sent there, and
# browsers keep the cookies to it.
if os.environ.get("SITE_SECURE"):
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "middleware.ParvisUser",
]
ROOT_URLCONF = "urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
    }
]

# Collected when the site starts; whoever stands in front of it serves them.
STATIC_URL = "/static/"
STATIC_ROOT = SITE_DIR / "static"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    },
}

# What people upload; whoever stands in front of the site serves it.
MEDIA_URL = "/media/"
MEDIA_ROOT = SITE_DIR / "media"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SITE_DIR / "site.sqlite3",
        "OPTIONS": {
            # Requests write their sessions at the same time. A transaction that takes the write
            # lock at its start waits for it; one that asks for it later fails at once.
            "transaction_mode": "IMMEDIATE",
            # The data need not outlive a power cut.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        },
    }
}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        # A full channel drops messages without a word; the tests send more than the default 100
        # in a burst and count what comes back.
        "CONFIG": {"capacity": 100_000},
    }
}

# The default hasher is slow on purpose, and every start of the site would pay for it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# The tests upload up to 64 MiB; Django's default refuses a body of more than 2.5 MiB.
DATA_UPLOAD_MAX_MEMORY_SIZE = None

# To a file, for whoever has to find out why a test got a 500.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "file": {
            "class": "logging.FileHandler",
            "filename": SITE_DIR / "site.log",
            "formatter": "line",
        }
    },
    "root": {"handlers": ["file"], "level": "WARNING"},
}
