"""Prints what carelink-tokens has to know of a Django project, and changes nothing.

    python manage.py shell < probe.py > facts.json

What is printed is chosen name by name: no key, no password, no OPTIONS, no
CACHES, no settings as a whole. Of classes only their names are told, of
errors only their kinds. Look into facts.json before you pass it on.

Works with Python 3.6 and later, Django 3.2 to 5.2, simplejwt 5.2 and later.
"""


# One function, because Django's shell runs this text with different scopes in
# different versions: nested functions always see each other.
def carelink_probe():
    import inspect
    import json
    import re
    import sys
    from datetime import timedelta
    from importlib import import_module

    from django.conf import settings

    BEGIN = "-----BEGIN CARELINK FACTS-----"
    END = "-----END CARELINK FACTS-----"
    # The settings of simplejwt whose values are told. Of its keys, of JWK_URL
    # and of settings that came later, only whether they are given.
    TOLD_VALUES = (
        "ACCESS_TOKEN_LIFETIME REFRESH_TOKEN_LIFETIME ROTATE_REFRESH_TOKENS"
        " BLACKLIST_AFTER_ROTATION UPDATE_LAST_LOGIN ALGORITHM AUDIENCE ISSUER"
        " JSON_ENCODER LEEWAY AUTH_HEADER_TYPES AUTH_HEADER_NAME USER_ID_FIELD"
        " USER_ID_CLAIM USER_AUTHENTICATION_RULE ON_LOGIN_SUCCESS ON_LOGIN_FAILED"
        " AUTH_TOKEN_CLASSES TOKEN_TYPE_CLAIM JTI_CLAIM TOKEN_USER_CLASS"
        " SLIDING_TOKEN_REFRESH_EXP_CLAIM SLIDING_TOKEN_LIFETIME"
        " SLIDING_TOKEN_REFRESH_LIFETIME TOKEN_OBTAIN_SERIALIZER"
        " TOKEN_REFRESH_SERIALIZER TOKEN_VERIFY_SERIALIZER"
        " TOKEN_BLACKLIST_SERIALIZER SLIDING_TOKEN_OBTAIN_SERIALIZER"
        " SLIDING_TOKEN_REFRESH_SERIALIZER CHECK_REVOKE_TOKEN REVOKE_TOKEN_CLAIM"
        " CHECK_USER_IS_ACTIVE"
    ).split()
    # Those that simplejwt tests for truth alone: to it "True", "False" and 1
    # are all the same.
    TESTED_FOR_TRUTH = (
        "ROTATE_REFRESH_TOKENS BLACKLIST_AFTER_ROTATION UPDATE_LAST_LOGIN"
        " CHECK_REVOKE_TOKEN CHECK_USER_IS_ACTIVE"
    ).split()
    KEYS = ("SIGNING_KEY", "VERIFYING_KEY", "JWK_URL")
    APP = "rest_framework_simplejwt.token_blacklist"

    problems = []

    def name_of(thing):
        """The dotted name of a class or function; never its value."""
        if thing is None:
            return None
        if isinstance(thing, str):
            return thing if re.match(r"^[\w.]{1,200}$", thing) else "(a text)"
        kind = thing if hasattr(thing, "__qualname__") else type(thing)
        return "{}.{}".format(kind.__module__, kind.__qualname__)

    def names_of(things):
        if things is None:
            return []
        if isinstance(things, str) or not hasattr(things, "__iter__"):
            things = [things]
        return [name_of(thing) for thing in things]

    def plain(value):
        """Values of settings that are no secrets, as JSON."""
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if value == value and abs(value) < 1e15 else {"type": "float"}
        if isinstance(value, timedelta):
            return {"seconds": value.total_seconds()}
        if isinstance(value, str):
            # A URL may have a password in it.
            if re.search(r"://[^/]*@", value):
                return {"hidden": "a URL with a password"}
            return value if len(value) <= 500 else {"hidden": "a long text"}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [plain(member) for member in value]
        return {"type": name_of(value)}

    def section(look):
        """Whatever goes wrong in one look ends no other one."""
        try:
            return look()
        except Exception as error:
            problems.append(
                {"section": look.__name__, "error": name_of(type(error))}
            )
            return None

    def setting(name, default=None):
        return getattr(settings, name, default)

    def has_app(name):
        from django.apps import apps

        return apps.is_installed(name)

    def version_of(module):
        found = getattr(module, "__version__", None)
        return found if isinstance(found, str) else None

    def versions():
        import django

        found = {
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            "django": django.get_version(),
        }
        for key, module in (
            ("rest_framework", "rest_framework"),
            ("simplejwt", "rest_framework_simplejwt"),
            ("pyjwt", "jwt"),
            ("dj_rest_auth", "dj_rest_auth.__version__"),
            ("corsheaders", "corsheaders"),
        ):
            try:
                found[key] = version_of(import_module(module))
            except Exception:
                found[key] = None
        # Sources that nobody installed have no version; a Debian package says it.
        if found["simplejwt"] is None:
            try:
                import pkg_resources

                found["simplejwt"] = pkg_resources.get_distribution(
                    "djangorestframework-simplejwt"
                ).version
            except Exception:
                pass
        return found

    def simple_jwt():
        from rest_framework_simplejwt.settings import DEFAULTS, api_settings

        given = setting("SIMPLE_JWT") or {}
        values = {}
        for name in TOLD_VALUES:
            if name in DEFAULTS:
                value = given[name] if name in given else DEFAULTS[name]
                values[name] = bool(value) if name in TESTED_FOR_TRUTH else plain(value)
        newer = [n for n in DEFAULTS if n not in TOLD_VALUES and n not in KEYS]
        from rest_framework_simplejwt import exceptions, serializers

        refresh = serializers.TokenRefreshSerializer
        key = api_settings.SIGNING_KEY
        return {
            "values": values,
            "newer": [{"name": name_of(n), "given": n in given} for n in sorted(newer)],
            "single_use": sorted(n for n in values if is_ours(values[n])),
            "given": sorted(name for name in given if name in DEFAULTS),
            # By what the code has: a version may be that of another copy.
            "tells_expired": hasattr(exceptions, "ExpiredTokenError"),
            "asks_user": "no_active_account"
            in getattr(refresh, "default_error_messages", {}),
            "unknown": sorted(name_of(name) for name in given if name not in DEFAULTS),
            "signing_key": {
                "from": "SIGNING_KEY" if "SIGNING_KEY" in given else "SECRET_KEY",
                "form": form_of(key),
            },
            "verifying_key": form_of(api_settings.VERIFYING_KEY),
            "jwk_url": bool(api_settings.JWK_URL),
        }

    def is_ours(dotted):
        """The serializers that carelink-tokens ships say so of themselves."""
        from django.utils.module_loading import import_string

        try:
            return getattr(import_string(dotted), "carelink_tokens", None) is not None
        except Exception:
            return False

    def form_of(key):
        if not key:
            return "empty"
        if isinstance(key, bytes):
            try:
                key = key.decode("utf-8")
            except UnicodeDecodeError:
                return "bytes"
        if not isinstance(key, str):
            return "object"
        return "pem" if "-----BEGIN" in key else "text"

    def user():
        from django.contrib.auth import get_user_model
        from django.contrib.auth import models as auth_models
        from django.contrib.auth.base_user import BaseUserManager
        from django.db import connections, models, router
        from rest_framework_simplejwt.settings import api_settings

        model = get_user_model()
        alias = router.db_for_read(model)
        connection = connections[alias]

        def column(field):
            target = field
            # The type of a parent's link is its key's.
            while target.remote_field is not None:
                target = target.target_field
            return {
                "name": field.name,
                "column": field.column,
                "table": field.model._meta.db_table,
                "type": target.get_internal_type(),
                "unique": bool(field.unique),
                "primary": bool(field.primary_key),
            }

        def field_named(name):
            if name == "pk":
                return model._meta.pk
            try:
                return model._meta.get_field(name)
            except Exception:
                return None

        id_field = field_named(api_settings.USER_ID_FIELD)
        active_field = field_named("is_active")
        active = {"kind": "absent"}
        if active_field is not None:
            active = dict(column(active_field), kind="column")
        elif hasattr(model, "is_active"):
            found = inspect.getattr_static(model, "is_active")
            constant = isinstance(found, bool)
            active = {"kind": "constant" if constant else "python"}
            if constant:
                active["value"] = found
        password_field = field_named("password")
        # simplejwt asks `objects`.
        manager = getattr(model, "objects", None)
        known = (models.Manager, auth_models.UserManager, BaseUserManager)
        queries = set(base.get_queryset for base in known)
        return {
            "model": model._meta.label,
            "table": model._meta.db_table,
            "database": alias,
            "engine": connection.settings_dict.get("ENGINE"),
            "primary_key": column(model._meta.pk),
            "id_field": None if id_field is None else column(id_field),
            "username_field": name_of(model.USERNAME_FIELD),
            "active": active,
            "password": None if password_field is None else column(password_field),
            "columns": sorted(field.column for field in model._meta.concrete_fields),
            "manager": name_of(manager),
            "manager_filters": manager is None
            or type(manager).get_queryset not in queries,
            "rule": name_of(api_settings.USER_AUTHENTICATION_RULE),
        }

    def token_views():
        from django.urls import URLPattern, URLResolver, get_resolver
        from rest_framework_simplejwt import views as simplejwt

        stock = [
            ("refresh", simplejwt.TokenRefreshView),
            ("verify", simplejwt.TokenVerifyView),
            ("blacklist", getattr(simplejwt, "TokenBlacklistView", None)),
            ("sliding", simplejwt.TokenRefreshSlidingView),
            ("obtain", simplejwt.TokenObtainPairView),
            ("obtain", simplejwt.TokenObtainSlidingView),
        ]
        stock = [(kind, cls) for kind, cls in stock if cls is not None]
        try:
            from dj_rest_auth.views import LogoutView

            logout = LogoutView
        except Exception:
            logout = None
        found = []
        unrecognised = []

        def wrappers(callback):
            """Modules of the functions that decorators put around a view."""
            modules = []
            while callback is not None:
                code = getattr(callback, "__globals__", None)
                modules.append(code.get("__name__") if code else "(unknown)")
                callback = getattr(callback, "__wrapped__", None)
            return modules

        usual = wrappers(simplejwt.TokenRefreshView.as_view())

        def look(patterns, prefix, variable):
            for entry in patterns:
                text, varies = readable(entry.pattern)
                path = prefix + text
                if isinstance(entry, URLResolver):
                    look(entry.url_patterns, path, variable or varies)
                elif isinstance(entry, URLPattern):
                    judge(entry, path, variable or varies)

        def readable(pattern):
            """A pattern as a path, and whether parts of it vary."""
            text = str(pattern)
            if type(pattern).__name__ == "LocalePrefixPattern":
                return text, True
            if type(pattern).__name__ == "RoutePattern":
                return text, "<" in text
            text = re.sub(r"^\^", "", text)
            text = re.sub(r"(\\Z|\$)$", "", text)
            text = re.sub(r"/\?$", "/", text)
            text = re.sub(r"\\([-./_])", r"\1", text)
            return text, re.search(r"[\\^$*+?()\[\]{}|]", text) is not None

        def judge(entry, path, varies):
            callback = entry.callback
            cls = getattr(callback, "cls", None) or getattr(
                callback, "view_class", None
            )
            kind, base = None, None
            if inspect.isclass(cls):
                for one, candidate in stock:
                    if issubclass(cls, candidate):
                        kind, base = one, candidate
                if kind is None and logout is not None and issubclass(cls, logout):
                    kind, base = "logout", logout
            if kind is None:
                told = path + " " + (entry.name or "")
                if re.search(r"token|jwt", told, re.I) and not of_admin(callback):
                    unrecognised.append(
                        {"path": "/" + masked(path), "view": name_of(callback)}
                    )
                return
            found.append(dict(describe(kind, base, cls, callback), path="/" + path, varies=varies, name=entry.name))

        def of_admin(callback):
            """Django's admin marks its views: those of a site, and of a model."""
            return hasattr(callback, "admin_site") or hasattr(callback, "model_admin")

        def masked(path):
            """The path without what may be a secret: a webhook may have one in it.

            Plain words and the names of parameters are left, and v1.
            """
            path = re.sub(r"\[[^\]]*\]", "<var>", path)
            before = None
            while before != path:
                before = path
                path = re.sub(
                    r"\((?:\?P<(\w+)>|\?:)?[^()]*\)",
                    lambda group: "<{}>".format(group.group(1) or "var"),
                    path,
                )
            return "/".join(
                part if is_plain(part) else "(not-told)" for part in path.split("/")
            )

        def is_plain(part):
            words = re.sub(r"<[\w:]{1,60}>(?:[?*+]|\{[0-9,]*\})?", "", part)
            return re.match(r"^(?:[a-z_-]{0,30}|v[0-9]{1,2})$", words) is not None

        def describe(kind, base, cls, callback):
            from rest_framework.views import APIView

            own = set()
            for parent in cls.__mro__:
                if parent is base or parent in base.__mro__:
                    continue
                own.update(
                    name
                    for name in vars(parent)
                    if not name.startswith("__") and name not in TOLD
                )
            view = cls()
            initial = getattr(callback, "initkwargs", None) or {}
            for name, value in initial.items():
                setattr(view, name, value)
            serializer = serializer_of(view)
            # By the class itself: a setting may name it by another way.
            fixed = serializer is None or serializer is not serializer_of(base())
            decorators = wrappers(callback)
            for module in usual:
                if module in decorators:
                    decorators.remove(module)
            handler = type(view).get_exception_handler is APIView.get_exception_handler
            return {
                "kind": kind,
                "view": name_of(cls),
                "stock": cls is base,
                "overrides": sorted(own),
                "arguments": sorted(initial),
                "decorators": [name_of(module) for module in decorators],
                "serializer": name_of(serializer),
                "serializer_fixed": fixed,
                "authentication": names_of(view.authentication_classes),
                "permissions": names_of(view.permission_classes),
                "throttles": [throttle(view, one) for one in view.throttle_classes],
                "renderers": names_of(view.renderer_classes),
                "parsers": names_of(view.parser_classes),
                "negotiation": name_of(view.content_negotiation_class),
                "versioning": name_of(view.versioning_class),
                "exception_handler": name_of(view.get_exception_handler()) if handler else "(of the view)",
            }

        def serializer_of(view):
            try:
                return view.get_serializer_class()
            except Exception:
                return None

        # What is told by itself.
        TOLD = (
            "serializer_class",
            "_serializer_class",
            "authentication_classes",
            "permission_classes",
            "throttle_classes",
            "throttle_scope",
            "renderer_classes",
            "parser_classes",
            "content_negotiation_class",
            "versioning_class",
        )

        def throttle(view, cls):
            scope = getattr(cls, "scope", None) or getattr(view, "throttle_scope", None)
            rates = getattr(cls, "THROTTLE_RATES", None) or {}
            rate = getattr(cls, "rate", None) or (rates.get(scope) if scope else None)
            return {
                "class": name_of(cls),
                "scope": plain(scope) if isinstance(scope, str) else None,
                "rate": rate if isinstance(rate, str) and len(rate) < 30 else None,
            }

        look(get_resolver().url_patterns, "", False)
        return {"found": found, "unrecognised": unrecognised[:50]}

    def host_class(host):
        if not host or host.startswith("/"):
            return "socket"
        if host == "localhost" or host.startswith("127.") or host == "::1":
            return "loopback"
        return "remote"

    def databases():
        from django.db import connections

        found = {}
        for alias in connections:
            wanted = connections[alias].settings_dict
            host = wanted.get("HOST") or ""
            found[alias] = {
                "engine": name_of(wanted.get("ENGINE")),
                "host": host_class(host),
                "several_hosts": "," in host,
                "atomic_requests": bool(wanted.get("ATOMIC_REQUESTS")),
            }
        return {"aliases": found, "routers": names_of(setting("DATABASE_ROUTERS", []))}

    def token_blacklist():
        """Whether the app is there; and, asked of PostgreSQL, where its tables are."""
        from django.db import connections, router

        installed = has_app(APP)
        # simplejwt looks for this very text. Where the app is listed by the
        # path of its AppConfig there are tables, and nothing is blacklisted.
        named = APP in setting("INSTALLED_APPS", [])
        alias = "default"
        writes = "default"
        if installed:
            from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

            alias = router.db_for_read(OutstandingToken)
            writes = router.db_for_write(OutstandingToken)
        else:
            from django.contrib.auth import get_user_model

            alias = writes = router.db_for_read(get_user_model())
        connection = connections[alias]
        found = {
            "installed": installed,
            "named": named,
            "database": alias,
            "written_to": writes,
            "vendor": connection.vendor,
            "tables": None,
            "unapplied": None,
            "user_schema": None,
        }
        if connection.vendor != "postgresql":
            return found

        def look_into_database():
            from django.contrib.auth import get_user_model

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid)"
                    " FROM pg_catalog.pg_class c"
                    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE c.relkind IN ('r', 'p') AND c.relname IN (%s, %s)"
                    " ORDER BY 1, 2",
                    [
                        "token_blacklist_outstandingtoken",
                        "token_blacklist_blacklistedtoken",
                    ],
                )
                found["tables"] = [
                    {"schema": schema, "name": name, "visible": visible}
                    for schema, name, visible in cursor.fetchall()
                ]
                table = connection.ops.quote_name(get_user_model()._meta.db_table)
                cursor.execute(
                    "SELECT n.nspname FROM pg_catalog.pg_class c"
                    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE c.oid = pg_catalog.to_regclass(%s)",
                    [table],
                )
                row = cursor.fetchone()
                found["user_schema"] = row[0] if row else None

        def look_at_migrations():
            from django.db.migrations.executor import MigrationExecutor

            executor = MigrationExecutor(connection)
            targets = [
                node
                for node in executor.loader.graph.leaf_nodes()
                if node[0] == "token_blacklist"
            ]
            found["unapplied"] = len(executor.migration_plan(targets))

        section(look_into_database)
        if installed:
            section(look_at_migrations)
        return found

    def cors():
        middleware = [
            name for name in setting("MIDDLEWARE", []) if "corsheaders" in str(name)
        ]
        if not middleware:
            return {"used": False}
        from corsheaders import signals
        from corsheaders.conf import conf

        def pattern(one):
            return one.pattern if hasattr(one, "pattern") else str(one)

        return {
            "used": True,
            "all_origins": bool(conf.CORS_ALLOW_ALL_ORIGINS),
            "origins": [plain(str(one)) for one in conf.CORS_ALLOWED_ORIGINS],
            "patterns": [plain(pattern(one)) for one in conf.CORS_ALLOWED_ORIGIN_REGEXES],
            "credentials": bool(conf.CORS_ALLOW_CREDENTIALS),
            "headers": [plain(str(one)) for one in conf.CORS_ALLOW_HEADERS],
            "exposed": [plain(str(one)) for one in conf.CORS_EXPOSE_HEADERS],
            "methods": [plain(str(one)) for one in conf.CORS_ALLOW_METHODS],
            "max_age": plain(conf.CORS_PREFLIGHT_MAX_AGE),
            "private_network": bool(getattr(conf, "CORS_ALLOW_PRIVATE_NETWORK", False)),
            "urls": plain(pattern(conf.CORS_URLS_REGEX)),
            "receivers": len(signals.check_request_enabled.receivers),
        }

    def dj_rest_auth():
        if not has_app("dj_rest_auth"):
            return {"installed": False}
        from dj_rest_auth.app_settings import api_settings

        found = {"installed": True}
        for name in (
            "USE_JWT",
            "SESSION_LOGIN",
            "JWT_AUTH_COOKIE",
            "JWT_AUTH_REFRESH_COOKIE",
            "JWT_AUTH_REFRESH_COOKIE_PATH",
            "JWT_AUTH_SECURE",
            "JWT_AUTH_HTTPONLY",
            "JWT_AUTH_SAMESITE",
            "JWT_AUTH_COOKIE_DOMAIN",
            "JWT_AUTH_RETURN_EXPIRATION",
            "JWT_AUTH_COOKIE_USE_CSRF",
            "JWT_AUTH_COOKIE_ENFORCE_CSRF_ON_UNAUTHENTICATED",
        ):
            found[name] = plain(getattr(api_settings, name, None))
        found["TOKEN_MODEL"] = name_of(getattr(api_settings, "TOKEN_MODEL", None))
        return found

    def rest_framework():
        from rest_framework.settings import api_settings

        return {
            "NON_FIELD_ERRORS_KEY": plain(api_settings.NON_FIELD_ERRORS_KEY),
            "UNICODE_JSON": bool(api_settings.UNICODE_JSON),
            "COMPACT_JSON": bool(api_settings.COMPACT_JSON),
            "UNAUTHENTICATED_USER": name_of(api_settings.UNAUTHENTICATED_USER),
        }

    def site():
        return {
            "middleware": names_of(setting("MIDDLEWARE", [])),
            "language": plain(setting("LANGUAGE_CODE")),
            "use_i18n": bool(setting("USE_I18N", True)),
            "languages": len(setting("LANGUAGES", [])),
            "time_zone": plain(setting("TIME_ZONE")),
            "use_tz": bool(setting("USE_TZ", False)),
            "append_slash": bool(setting("APPEND_SLASH", True)),
            "script_name": plain(setting("FORCE_SCRIPT_NAME")),
            "ssl_redirect": bool(setting("SECURE_SSL_REDIRECT", False)),
            "upload_limit": plain(setting("DATA_UPLOAD_MAX_MEMORY_SIZE")),
            "caches": {
                str(alias): name_of(wanted.get("BACKEND"))
                for alias, wanted in setting("CACHES", {}).items()
            },
        }

    facts = {"carelink_facts": 2}
    for look in (
        versions,
        simple_jwt,
        user,
        token_views,
        databases,
        token_blacklist,
        cors,
        dj_rest_auth,
        rest_framework,
        site,
    ):
        facts[look.__name__] = section(look)
    facts["problems"] = problems
    text = json.dumps(facts, indent=1, sort_keys=True)
    # In one piece, on lines of its own: other output may stand before and behind it.
    sys.stdout.write("\n{}\n{}\n{}\n".format(BEGIN, text, END))
    sys.stdout.flush()


carelink_probe()
