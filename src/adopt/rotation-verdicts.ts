import { hasApp, settingOf, type Site } from './site.js';
import { cannot, differs, kept, same, type Row, type ServeFlag } from './verdict.js';

type Wanted = Readonly<Partial<Record<ServeFlag, string>>>;

/** ROTATE_REFRESH_TOKENS, BLACKLIST_AFTER_ROTATION and the app: only all three say what becomes of a refresh token. */
export function rotationRows(site: Site): Row[] {
  const rotates = settingOf(site, 'ROTATE_REFRESH_TOKENS') === true;
  const blacklists = settingOf(site, 'BLACKLIST_AFTER_ROTATION') === true;
  const app = hasApp(site);
  const spends = app && rotates && blacklists;
  const policy = spends ? 'on' : rotates ? 'keep' : 'off';
  const means = {
    on: 'Each refresh token is used once. Of several clients with one token exactly one wins; in Django several do.',
    keep: 'Each refresh gives a new refresh token, and the old one stays good.',
    off: 'The refresh token is kept; the answer is {"access"}. Nothing is written.',
  }[policy];
  const verifies: Wanted = app && !rotates && !blacklists ? { 'verify-blacklist': 'off' } : {};
  return [
    kept('ROTATE_REFRESH_TOKENS', rotates, { rotation: policy }, means),
    kept(
      'BLACKLIST_AFTER_ROTATION',
      blacklists,
      verifies,
      !app && blacklists
        ? 'Without the blacklist app it does nothing in Django either.'
        : 'verify-blacklist' in verifies
          ? 'verify/ accepts blacklisted tokens, as in Django.'
          : 'Told with ROTATE_REFRESH_TOKENS.',
    ),
  ];
}

/** The blacklist app, its tables, and where they are. */
export function tableRows({ facts }: Site): Row[] {
  const app = facts.token_blacklist;
  if (app === null) return [];
  if (app.vendor !== 'postgresql')
    return [cannot('DATABASES', app.vendor, 'carelink-tokens works on PostgreSQL alone.')];
  const { tables } = app;
  if (tables === null)
    return [cannot('token_blacklist', app.installed, 'The database could not be asked for its tables.')];
  const schemas = [...new Set(tables.map(({ schema }) => schema))];
  const rows: Row[] = [];
  if (!app.installed) {
    rows.push(
      schemas.length > 0
        ? cannot(
            'token_blacklist',
            'not installed',
            `There are token tables all the same (schema ${schemas.join(', ')}): log-outs in them would be undone. Drop them, or put the app back into INSTALLED_APPS.`,
          )
        : kept(
            'token_blacklist',
            'not installed',
            { 'token-tables': 'none' },
            'No token tables, so a log-out does nothing, as in Django.',
          ),
    );
  } else if (!app.named) {
    rows.push(
      cannot(
        'token_blacklist',
        'installed by the path of its AppConfig',
        "simplejwt looks for 'rest_framework_simplejwt.token_blacklist' in INSTALLED_APPS. Without that very text Django blacklists nothing: a log-out does nothing, and rotated tokens stay good. Write it there, and run the probe again.",
      ),
    );
  } else if (tables.filter(({ visible }) => visible).length < 2 || (app.unapplied ?? 0) > 0) {
    rows.push(
      cannot(
        'token_blacklist',
        'installed',
        'Its migrations are not applied. Run `manage.py migrate token_blacklist` first.',
      ),
    );
  } else {
    rows.push(
      same('token_blacklist', 'installed', 'The same tables: a log-out at one side holds at the other.'),
    );
  }
  rows.push(
    ...schemaRows(app.installed ? tables.find(({ visible }) => visible)?.schema : app.user_schema, schemas),
  );
  return rows;
}

/** The schema is said where it is not PostgreSQL's usual one, or where several have such tables. */
function schemaRows(schema: string | null | undefined, all: readonly string[]): Row[] {
  if (schema === null || schema === undefined) return [];
  if (schema === 'public' && all.length <= 1) return [same('schema', schema, 'It is the usual one.')];
  const means =
    all.length > 1
      ? `Token tables are in ${all.join(', ')}: this server works on those of one Django. For several tenants start one server each.`
      : "Django's tables are there.";
  // `public` is no default where others have such tables: it is said by name.
  return [{ ...kept('schema', schema, { schema }, means) }];
}

/** Databases and routers: one database has all that a refresh needs. */
export function databaseRows({ facts }: Site): Row[] {
  const { databases, token_blacklist: app, user } = facts;
  if (databases === null || app === null) return [];
  const told = [...databases.aliases].map(
    ([alias, { engine, host }]) => `${alias}: ${engine ?? '?'} (${host})`,
  );
  const rows = [
    same(
      'DATABASES',
      told.join('; '),
      `Give --database-url that of ${app.written_to}. No password is in this file.`,
    ),
  ];
  if (app.installed && user !== null && user.database !== app.database)
    rows.push(
      cannot(
        'DATABASE_ROUTERS',
        databases.routers,
        `Users are in ${user.database} and tokens in ${app.database}. One database must have both; without, --user-check off lets users go on who are gone.`,
      ),
    );
  else if (app.database !== app.written_to)
    rows.push(
      differs(
        'DATABASE_ROUTERS',
        databases.routers,
        `Django reads from ${app.database}. Here ${app.written_to} is read and written.`,
      ),
    );
  else if (databases.routers.length > 0)
    rows.push(same('DATABASE_ROUTERS', databases.routers, `They send tokens and users to ${app.database}.`));
  const engines = [...databases.aliases.values()].map(({ engine }) => engine ?? '');
  if (engines.some((engine) => /tenant/.test(engine)))
    rows.push(
      cannot(
        'tenants',
        engines,
        'The schema changes from request to request there. Start one server for each tenant, with --schema.',
      ),
    );
  return rows;
}
