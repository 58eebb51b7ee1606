import type { ServeSettings } from '../config/settings.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import type { OperatorMetrics } from '../observe/operator-metrics.js';
import type { ChangeFeed } from '../rotation/change-feed.js';
import type { RotationEvent } from '../rotation/events.js';
import { HOME_UNWRITTEN } from '../store/token-tables.js';
import { AUDIT_PENDING, type TokenSchema } from '../store/schema.js';

/** Whether users that are gone are refused, and whose the tables are. */
export function tellSchema(
  settings: ServeSettings,
  schema: Pick<TokenSchema, 'users' | 'audits'> & { readonly homeUnwritten?: boolean },
  log: Log,
): void {
  if (schema.users !== undefined) {
    const { name, kind, columns, unread } = schema.users;
    log.info('user_check_on', { table: name });
    if (columns.active === undefined) {
      log.warn('user_check_exists', { cause: 'as asked: only users who were deleted are refused' });
    }
    if (kind === 'view') {
      log.info('user_view', {
        table: name,
        cause: 'each refresh asks the view; blacklisting is synchronous',
      });
    }
    if (unread.length > 0) {
      log.warn('user_columns_unread', {
        table: name,
        cause: `${unread.join(', ')}: where Django lets only such users refresh, make a view and name it with --user-table`,
      });
    }
  } else if (settings.database.kind === 'url') {
    log.warn('user_check_off', { cause: 'as asked: deactivated and deleted users go on refreshing' });
  }
  if (schema.audits !== true) log.warn('audit_off', { cause: AUDIT_PENDING });
  if (schema.homeUnwritten === true) log.warn('home_unwritten', { cause: HOME_UNWRITTEN });
}

/** Who asks for asynchronous blacklisting by name gets it, and is told what it can't see (rule 11). */
export function tellAsync(settings: ServeSettings, feed: ChangeFeed | undefined, log: Log): void {
  if (settings.rotation.blacklist !== 'async' || feed?.alive === true) return;
  log.warn('async_unheard', {
    cause:
      'until changes are heard (migrate --notify, changes_heard in this log) a log-out or a deactivated user at Django is not seen here before the next write; --blacklist auto waits for it',
  });
}

/** One line covers what a mistake does to thousands of refreshes. */
const TELL_REFUSED_EVERY_MS = 10_000;

/** The database refuses to write a row: refreshes get 503 until somebody mends it, and their tokens stay unspent. */
export function refusalNews(
  log: Log,
  metrics: Pick<OperatorMetrics, 'onWriteRefused'>,
  monotonicMs: () => number,
): (error: unknown) => void {
  let toldAtMs = -Infinity;
  return (error) => {
    metrics.onWriteRefused();
    if (monotonicMs() - toldAtMs < TELL_REFUSED_EVERY_MS) return;
    toldAtMs = monotonicMs();
    log.error('write_refused', {
      ...describeError(error),
      cause:
        'a trigger, a constraint or a sequence behind its table: `carelink-tokens doctor` names triggers and sequences',
    });
  };
}

/** What the site's view says of one user can't be had, or put into a token: he gets 503 until that is mended, and nobody else. */
export function badRowNews(log: Log): (userKey: string, why: unknown) => void {
  return (userKey, why) => {
    log.warn('user_row_failed', {
      user_id: userKey,
      ...(why === 'claims_unfit' ? { kind: 'claims_unfit' } : describeError(why)),
      cause:
        why === 'claims_unfit'
          ? 'claims of the view must be one row, a JSON object, 4096 bytes at most'
          : 'the view of users raised an error, or took too long, for this user',
    });
  };
}

/** What an operator wants to read of the rotations; the rest is in the metrics. */
export function tellRotationEvent(event: RotationEvent, log: Log): void {
  switch (event.kind) {
    case 'refresh':
    case 'cache_lookup':
    case 'offer':
    case 'session_refused':
      return;
    case 'reuse':
      log.warn('token_reuse', {
        kind: event.reuse,
        ...(event.userKey === undefined ? {} : { user_id: event.userKey }),
      });
      return;
    case 'revocation':
      if (event.end === 'escalated' || event.cause === 'reuse') {
        log.warn('revoked', { cause: event.cause, end: event.end, rows: event.rows });
      }
      return;
    case 'claim_in_doubt':
      log.warn('claim_in_doubt', { outcome: event.resolved ? 'resumed' : 'unknown' });
  }
}
