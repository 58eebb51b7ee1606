/** A real Django + simplejwt beside the server under test, on the same database. */
import { fileURLToPath } from 'node:url';
import {
  converse,
  manage,
  manageTyped,
  startGunicorn,
  type Conversation,
  type Env,
} from './django/process.js';
import { query } from './postgres.js';
import { TEST_SIGNING_KEY } from './tokens.js';

/** Which user model: the keys of USER_MODELS in site_under_test/settings.py. */
export type Variant =
  'auth' | 'bigint' | 'uuid' | 'staff' | 'keyed_by_uuid' | 'mail' | 'code' | 'smallint' | 'nurse' | 'soft';

export interface DjangoOptions {
  /** URL of a database that exists; its tables are made by Django's own `migrate`. */
  readonly database: string;
  /** SECRET_KEY; `TEST_SIGNING_KEY` where nothing is said. */
  readonly signingKey?: string;
  readonly variant?: Variant;
  /** Makes the ids of the token tables IDENTITY columns, as Django 4.1 and later create them. */
  readonly identity?: boolean;
  /** `single-use` is docs/django/serializers.py. */
  readonly serializer?: 'stock' | 'single-use';
  readonly algorithm?: string;
  readonly workers?: number;
  readonly threads?: number;
  /** More settings, by the names that site_under_test/settings.py reads. */
  readonly env?: Env;
}

interface TokenPair {
  readonly refresh: string;
  readonly access: string;
}

export interface Django {
  readonly url: string;
  readonly pid: number;
  /** Makes a user and returns its id as text, since a bigint may not fit a JavaScript number. */
  makeUser(user?: { id?: string; username?: string; password?: string }): Promise<string>;
  deactivateUser(userId: string): Promise<void>;
  /** `set_password` and `save`, as a site's own view does it. */
  setPassword(userId: string, password: string): Promise<void>;
  /**
   * The password, all sessions and the pair of whoever asks, in one `atomic()`; the end of docs/audit.md. With `fail` it is
   * rolled back. Rejects where Django answers 500, as after a serialization failure.
   */
  changePasswordAndEnd(
    userId: string,
    password: string,
    more?: { readonly isolation?: string; readonly fail?: boolean },
  ): Promise<TokenPair & { readonly ended: number }>;
  /** Deletes through the ORM, so that `on_delete` of the token rows is what it is there. */
  deleteUser(userId: string): Promise<void>;
  /** `RefreshToken.for_user`, and its access token. Claims are added as a project's own serializer adds them. */
  mint(userId: string, claims?: Record<string, unknown>): Promise<TokenPair>;
  mintSliding(userId: string): Promise<string>;
  obtain(username: string, password: string): Promise<TokenPair>;
  /** Many users and tokens in one command: 10,000 take some 3 s. */
  bulkMint(options: {
    users: number;
    tokensPerUser?: number;
    prefix?: string;
  }): Promise<{ userId: string; refresh: string }[]>;
  manage(...args: string[]): Promise<string>;
  /** `manage.py changepassword`, which asks for the password twice. */
  changePassword(username: string, password: string): Promise<void>;
  output(): string;
  stop(): Promise<void>;
}

export async function startDjango(options: DjangoOptions): Promise<Django> {
  const env = environment(options);
  const gunicorn = await startGunicorn(env, options.workers ?? 1, options.threads ?? 8);
  if (options.identity === true) await useIdentityColumns(options.database);

  const call = async <Answer>(path: string, body: object = {}): Promise<Answer> => {
    const response = await fetch(gunicorn.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status !== 200)
      throw new Error(`${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as Answer;
  };

  let users = 0;
  return {
    url: gunicorn.url,
    pid: gunicorn.pid,
    output: () => gunicorn.output(),
    stop: () => gunicorn.stop(),
    manage: (...args) => manage(env, args),
    changePassword: (username, password) =>
      manageTyped(env, ['changepassword', username], `${password}\n${password}\n`),
    async makeUser(user = {}) {
      // The process id, because several Djangos may share a database.
      const username = `user-${gunicorn.pid}-${++users}`;
      return (await call<{ user_id: string }>('/test/users/', { username, ...user })).user_id;
    },
    async deactivateUser(userId) {
      await call(`/test/users/${userId}/deactivate/`);
    },
    async setPassword(userId, password) {
      await call(`/test/users/${userId}/set-password/`, { password });
    },
    changePasswordAndEnd: (userId, password, more = {}) =>
      call(`/test/users/${userId}/change-password/`, { password, ...more }),
    async deleteUser(userId) {
      await call(`/test/users/${userId}/delete/`);
    },
    mint: (userId, claims = {}) => call('/test/mint/', { user_id: userId, claims }),
    mintSliding: async (userId) =>
      (await call<{ token: string }>('/test/mint-sliding/', { user_id: userId })).token,
    obtain: (username, password) => call('/account/token/obtain/', { username, password }),
    async bulkMint({ users: count, tokensPerUser = 1, prefix = 'minted' }) {
      const args = ['--users', String(count), '--tokens-per-user', String(tokensPerUser), '--prefix', prefix];
      const lines = (await manage(env, ['mint', ...args])).trimEnd().split('\n');
      return lines.map((line) => {
        const { user_id, refresh } = JSON.parse(line) as { user_id: string; refresh: string };
        return { userId: user_id, refresh };
      });
    },
  };
}

/** The same project without its web server: migrated, and asked in Python. */
export function startConversation(options: DjangoOptions): Promise<Conversation> {
  return converse(environment(options));
}

/**
 * What test/support/django reads its settings from. With DJANGO_SOURCES, directories with a colon between them, it is another
 * Django, REST framework or simplejwt than Debian's.
 */
export function environment(options: DjangoOptions): Env {
  const database = new URL(options.database);
  const { PYTHONPATH: more, ...env } = options.env ?? {};
  const ours = fileURLToPath(new URL('../../docs/django', import.meta.url));
  return {
    PYTHONPATH: [more, process.env['DJANGO_SOURCES'], ours].filter(Boolean).join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    DJANGO_DB_HOST: database.hostname,
    DJANGO_DB_PORT: database.port === '' ? '5432' : database.port,
    DJANGO_DB_NAME: database.pathname.slice(1),
    DJANGO_DB_USER: decodeURIComponent(database.username),
    DJANGO_DB_PASSWORD: decodeURIComponent(database.password),
    DJANGO_SIGNING_KEY: options.signingKey ?? TEST_SIGNING_KEY,
    DJANGO_ALGORITHM: options.algorithm ?? 'HS256',
    DJANGO_USER_MODEL: options.variant ?? 'auth',
    DJANGO_SERIALIZER: options.serializer ?? 'stock',
    ...env,
  };
}

/** The columns as Django 4.1 and later create them; their sequences go with the old default. */
async function useIdentityColumns(url: string): Promise<void> {
  for (const table of ['token_blacklist_outstandingtoken', 'token_blacklist_blacklistedtoken']) {
    await query(
      url,
      `ALTER TABLE ${table} ALTER COLUMN id DROP DEFAULT;
       DROP SEQUENCE ${table}_id_seq;
       ALTER TABLE ${table} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY`,
    );
  }
}
