import { anything, count, flag, list, object, orNull, record, ShapeError, text } from './shape.js';

/** Of a model's field. `type` is Django's internal type of the column: `BigAutoField`, `UUIDField`. */
const column = object({
  name: text,
  column: text,
  table: text,
  type: text,
  unique: flag,
  primary: flag,
});

const tokenView = object({
  kind: text,
  path: text,
  /** Parts of the path are parameters, or a pattern. */
  varies: flag,
  view: text,
  stock: flag,
  /** What a subclass defines besides what is told by itself. */
  overrides: list(text),
  arguments: list(text),
  decorators: list(orNull(text)),
  serializer: orNull(text),
  /** The view names it itself, whatever SIMPLE_JWT says; or nobody knows which it is. */
  serializer_fixed: flag,
  authentication: list(orNull(text)),
  permissions: list(orNull(text)),
  throttles: list(object({ class: text, scope: orNull(text), rate: orNull(text) })),
  renderers: list(orNull(text)),
  parsers: list(orNull(text)),
  negotiation: orNull(text),
  versioning: orNull(text),
  exception_handler: orNull(text),
});

/** What the probe prints; a section is null where it could not be read, and `problems` says why. */
const FACTS = object({
  carelink_facts: count,
  versions: orNull(record(orNull(text))),
  simple_jwt: orNull(
    object({
      values: record(anything),
      given: list(text),
      /** Expired tokens have a text of their own: from 5.5 on. */
      tells_expired: flag,
      /** A refresh looks at the user: from 5.4 on. */
      asks_user: flag,
      /** In SIMPLE_JWT, and no setting of that simplejwt. */
      unknown: list(text),
      /** Settings of that simplejwt that the probe doesn't know. */
      newer: list(object({ name: text, given: flag })),
      /** Serializers of this project: docs/django/serializers.py. */
      single_use: list(text),
      signing_key: object({ from: text, form: text }),
      verifying_key: text,
      jwk_url: flag,
    }),
  ),
  user: orNull(
    object({
      model: text,
      table: text,
      database: text,
      primary_key: column,
      id_field: orNull(column),
      active: anything,
      password: orNull(column),
      columns: list(text),
      manager: orNull(text),
      manager_filters: flag,
      rule: orNull(text),
    }),
  ),
  token_views: orNull(
    object({ found: list(tokenView), unrecognised: list(object({ path: text, view: orNull(text) })) }),
  ),
  databases: orNull(
    object({
      aliases: record(
        object({ engine: orNull(text), host: text, several_hosts: flag, atomic_requests: flag }),
      ),
      routers: list(orNull(text)),
    }),
  ),
  token_blacklist: orNull(
    object({
      installed: flag,
      /** INSTALLED_APPS has its very name, which simplejwt looks for: only then is anything blacklisted. */
      named: flag,
      database: text,
      written_to: text,
      vendor: text,
      tables: orNull(list(object({ schema: text, name: text, visible: flag }))),
      unapplied: orNull(count),
      user_schema: orNull(text),
    }),
  ),
  cors: orNull(anything),
  dj_rest_auth: orNull(record(anything)),
  rest_framework: orNull(record(anything)),
  site: orNull(
    object({
      middleware: list(orNull(text)),
      language: anything,
      use_i18n: flag,
      time_zone: anything,
      use_tz: flag,
      script_name: anything,
      ssl_redirect: flag,
      caches: record(orNull(text)),
    }),
  ),
  problems: list(object({ section: text, error: orNull(text) })),
});

const CORS = object({
  all_origins: flag,
  origins: list(anything),
  patterns: list(anything),
  credentials: flag,
  headers: list(anything),
  exposed: list(anything),
  methods: list(anything),
  private_network: flag,
  urls: anything,
  receivers: count,
});

const ACTIVE_COLUMN = column;

type ReadOf<S> = S extends { read(value: unknown, place: string): infer T } ? T : never;
export type TokenView = ReadOf<typeof tokenView>;
export type Column = ReadOf<typeof column>;
export type CorsFacts = ReadOf<typeof CORS>;
export type Facts = Omit<ReadOf<typeof FACTS>, 'cors' | 'user'> & {
  /** Undefined: django-cors-headers is not used. */
  readonly cors: CorsFacts | undefined | null;
  readonly user: (Omit<NonNullable<ReadOf<typeof FACTS>['user']>, 'active'> & { active: Active }) | null;
};

export type Active =
  | ({ readonly kind: 'column' } & Column)
  | { readonly kind: 'constant'; readonly value: boolean }
  /** Told by code: a property. */
  | { readonly kind: 'python' }
  | { readonly kind: 'absent' };

const BEGIN = '-----BEGIN CARELINK FACTS-----';
const END = '-----END CARELINK FACTS-----';

export class FactsError extends Error {
  override readonly name = 'FactsError';
}

/**
 * Finds the facts in what `manage.py shell` printed, whatever else stands there: a start may print, and Django 5.2 does.
 * Of several the last counts.
 *
 * @throws FactsError with a sentence that says what to do
 */
export function parseFacts(printed: string): Facts {
  const begin = printed.lastIndexOf(BEGIN);
  const end = printed.indexOf(END, Math.max(begin, 0));
  if (begin < 0 || end < 0) {
    throw new FactsError(
      printed.includes('\uFFFD') || printed.includes('\0')
        ? 'is not UTF-8 text. PowerShell writes UTF-16: use `cmd /c "python manage.py shell < probe.py > facts.json"`.'
        : 'has no facts in it: the probe did not get to its end. Run `manage.py shell < probe.py > facts.json` again, and look at what it prints to the terminal.',
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(printed.slice(begin + BEGIN.length, end));
  } catch {
    throw new FactsError(
      'has facts that are no JSON: something was printed between their markers. Run the probe again.',
    );
  }
  const version = (value as { carelink_facts?: unknown } | null)?.carelink_facts;
  if (version !== 2)
    throw new FactsError(
      "was made by the probe of another release. Print this release's with `adopt --print-probe`, and run it again.",
    );
  try {
    const facts = FACTS.read(value, '');
    return {
      ...facts,
      cors: corsOf(facts.cors),
      user: facts.user && { ...facts.user, active: activeOf(facts.user.active) },
    };
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new FactsError(`can't be read: ${error.message}. Run the probe again.`);
  }
}

function corsOf(value: unknown): Facts['cors'] {
  if (value === null) return null;
  const { used } = object({ used: flag }).read(value, 'cors');
  return used ? CORS.read(value, 'cors') : undefined;
}

function activeOf(value: unknown): Active {
  const { kind } = object({ kind: text }).read(value, 'user.active');
  if (kind === 'column') return { kind, ...ACTIVE_COLUMN.read(value, 'user.active') };
  if (kind === 'constant') return { kind, ...object({ value: flag }).read(value, 'user.active') };
  if (kind === 'python' || kind === 'absent') return { kind };
  throw new ShapeError(`user.active.kind is ${JSON.stringify(kind)}`);
}
