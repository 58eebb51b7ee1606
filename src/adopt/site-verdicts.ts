import { hasApp, type Site } from './site.js';
import { cannot, differs, same, type Row } from './verdict.js';

/** Middleware of Django and of packages that is often there: what becomes of it for requests that go to this server. */
const MIDDLEWARE: Readonly<Record<string, readonly ['same' | 'differs' | 'elsewhere', string]>> = {
  'django.middleware.security.SecurityMiddleware': ['differs', 'Answers have X-Content-Type-Options here. Let your proxy add the other headers, and redirect to https.'],
  'django.contrib.sessions.middleware.SessionMiddleware': ['same', 'Token views use no session.'],
  'django.middleware.common.CommonMiddleware': ['same', 'Paths work with and without the last slash.'],
  'django.middleware.csrf.CsrfViewMiddleware': ['same', "simplejwt's views are exempt from it."],
  'django.contrib.auth.middleware.AuthenticationMiddleware': ['same', 'Token views do not ask who is logged in.'],
  'django.contrib.messages.middleware.MessageMiddleware': ['same', 'Token views write no messages.'],
  'django.middleware.clickjacking.XFrameOptionsMiddleware': ['differs', 'Answers are JSON without X-Frame-Options. Let your proxy add it where a scanner wants it.'],
  'django.middleware.gzip.GZipMiddleware': ['differs', 'Answers are not compressed; they have a few hundred bytes.'],
  'django.middleware.http.ConditionalGetMiddleware': ['same', 'It is about GET.'],
  'django.middleware.cache.UpdateCacheMiddleware': ['same', 'It is about GET.'],
  'django.middleware.cache.FetchFromCacheMiddleware': ['same', 'It is about GET.'],
  'django.contrib.sites.middleware.CurrentSiteMiddleware': ['same', 'Token views do not ask which site it is.'],
  'django.contrib.flatpages.middleware.FlatpageFallbackMiddleware': ['same', 'It is about pages that are not found.'],
  'django.contrib.redirects.middleware.RedirectFallbackMiddleware': ['same', 'It is about pages that are not found.'],
  'whitenoise.middleware.WhiteNoiseMiddleware': ['same', 'It is about static files.'],
  'allauth.account.middleware.AccountMiddleware': ['same', 'It is about the log-in.'],
  'debug_toolbar.middleware.DebugToolbarMiddleware': ['differs', 'It does not see these requests.'],
  'django_prometheus.middleware.PrometheusBeforeMiddleware': ['differs', 'These requests are in /metrics of this server.'],
  'django_prometheus.middleware.PrometheusAfterMiddleware': ['differs', 'These requests are in /metrics of this server.'],
  'corsheaders.middleware.CorsMiddleware': ['elsewhere', ''],
  'django.middleware.locale.LocaleMiddleware': ['elsewhere', ''],
}; // prettier-ignore

/** What surrounds the views: middleware, language, time zone, Django REST framework's wording, caches. */
export function siteRows(site: Site): Row[] {
  const { site: around, rest_framework: drf } = site.facts;
  const rows: Row[] = [];
  if (around !== null) {
    const { middleware } = around;
    rows.push(...middleware.flatMap((name) => middlewareRow(name ?? '(unknown)')));
    const translates = around.use_i18n && middleware.includes('django.middleware.locale.LocaleMiddleware');
    const english = typeof around.language === 'string' && /^en(-|$)/i.test(around.language);
    rows.push(
      around.use_i18n && (translates || !english)
        ? cannot(
            translates ? 'LocaleMiddleware' : 'LANGUAGE_CODE',
            around.language,
            'Texts of errors (`detail`) are English here. Let clients go by `code` and the status.',
          )
        : same('LANGUAGE_CODE', around.language, 'Texts of errors are English.'),
    );
    if (!around.use_tz && around.time_zone !== 'UTC' && hasApp(site))
      rows.push(
        differs(
          'USE_TZ',
          `False, ${String(around.time_zone)}`,
          'Django dates rows by the zone. Rows are dated here as late or later; run `cleanup` in place of flushexpiredtokens (docs/cleanup.md).',
        ),
      );
    else rows.push(same('TIME_ZONE', around.time_zone, 'Tokens and rows are dated in UTC.'));
    rows.push(
      same(
        'CACHES',
        [...around.caches].map(([alias, backend]) => `${alias}: ${backend ?? '?'}`),
        'Token views use none.',
      ),
    );
  }
  if (drf !== null) {
    const key = drf.get('NON_FIELD_ERRORS_KEY');
    rows.push(
      key === 'non_field_errors'
        ? same('NON_FIELD_ERRORS_KEY', key, 'Errors have this name.')
        : cannot('NON_FIELD_ERRORS_KEY', key, 'It is non_field_errors here.'),
    );
    if (drf.get('UNICODE_JSON') === false)
      rows.push(
        differs(
          'UNICODE_JSON',
          false,
          'Letters outside ASCII are not escaped here. A JSON parser reads the same.',
        ),
      );
  }
  return rows;
}

function middlewareRow(name: string): Row[] {
  const setting = `MIDDLEWARE:${name}`;
  const [verdict, means] = MIDDLEWARE[name] ?? [];
  if (verdict === 'elsewhere') return [];
  if (verdict === undefined || means === undefined)
    return [
      cannot(
        setting,
        '',
        'What it does to token requests is not known, and it does not see them here. If it only measures or logs, you can do without: --accept it.',
      ),
    ];
  return [verdict === 'same' ? same(setting, '', means) : differs(setting, '', means)];
}
