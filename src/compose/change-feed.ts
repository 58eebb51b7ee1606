import type { ServeSettings } from '../config/settings.js';
import type { Log } from '../observe/log.js';
import type { MetricsSink } from '../observe/metrics.js';
import type { ChangeFeed } from '../rotation/change-feed.js';
import type { TokenCache } from '../rotation/ports.js';
import { PgChangeFeed, type Deafness } from '../store/change-feed.js';
import type { Database } from '../store/database.js';
import type { TokenSchema } from '../store/schema.js';
import { databaseTarget } from './database-target.js';
import type { ReleaseStack } from './release.js';

export interface HeardChanges extends ChangeFeed {
  /** For /readyz: `ok`, or why nothing is heard. */
  readonly check: string | undefined;
  /** Listens over a new connection: the one that is there may lead to another server than all the others. */
  renew(): void;
}

/**
 * Listens to what Django and other instances do, and forgets what that makes wrong. Undefined: the embedded database is
 * ours alone, and nobody else changes anything in it.
 */
export function openChangeFeed(
  settings: ServeSettings,
  parts: {
    readonly database: Database;
    readonly schema: TokenSchema;
    readonly cache: TokenCache;
    readonly metrics: MetricsSink;
    readonly log: Log;
    readonly monotonicMs: () => number;
  },
  releases: ReleaseStack,
): HeardChanges | undefined {
  if (settings.database.kind === 'embedded') return undefined;
  const { database, schema, cache, metrics, log, monotonicMs } = parts;
  const feed = new PgChangeFeed({
    connection: databaseTarget({
      ...settings.database,
      ...(settings.listenUrl === undefined ? {} : { url: settings.listenUrl }),
    }),
    database,
    schema,
    monotonicMs,
    random: Math.random,
    onChange(state) {
      metrics.onChangeFeed(state === 'alive');
      tell(state, log);
    },
  });
  feed.subscribe({
    onChange(change) {
      metrics.onChange(change.kind);
      // Of users nothing is remembered: each claim looks at the user's row.
      if (change.kind === 'blacklisted') cache.noteSpent(change.tokens);
    },
    onAlive: () => cache.forgetActive(),
    onLost: () => metrics.onChange('gap'),
  });
  feed.start();
  releases.add(() => feed.stop());
  return {
    get alive() {
      return feed.alive;
    },
    get check() {
      if (feed.state === 'not_installed') return undefined;
      return feed.state === 'alive' ? 'ok' : feed.state.replaceAll('_', ' ');
    },
    subscribe: (listener) => feed.subscribe(listener),
    renew: () => feed.renew(),
  };
}

const WHAT_TO_DO: Readonly<Record<Exclude<Deafness, 'stopped' | 'not_installed'>, string>> = {
  triggers_missing:
    'triggers of migrate --notify are missing or switched off: run carelink-tokens migrate --notify',
  triggers_old:
    'the trigger on users is of an earlier release, or compares another column, and does not tell of passwords: run carelink-tokens migrate --notify again, with --user-password-column as here (where that option was changed, migrate down notify_passwords first)',
  user_view:
    'the user table is a view, and no trigger tells of what it reads: blacklisting stays synchronous',
  pooler:
    'what is told to a session is lost behind a pooler: give --listen-url a direct connection to PostgreSQL',
  unreachable: 'the listening connection broke; it is made again',
};

function tell(state: 'alive' | Deafness, log: Log): void {
  if (state === 'alive') log.info('changes_heard');
  else if (state === 'not_installed')
    log.info('changes_not_told', { cause: 'migrate --notify has not been run' });
  else if (state !== 'stopped') log.warn('changes_missed', { kind: state, cause: WHAT_TO_DO[state] });
}
