import type { Database } from '../../store/database.js';
import { readRowDates, type RowDates } from '../../store/row-dates.js';
import { cannotTell, fault, note, ofQuery, type Check } from '../check.js';

/** Below it is a moment's difference, and no zone's. */
const ZONE_SECONDS = 600;

/**
 * A row must not end before its token does. simplejwt's `flushexpiredtokens` deletes by the row's date alone, and by a
 * moment that is off where USE_TZ is False: with the row goes the fact that the token was logged out.
 */
export const ROW_DATE_CHECKS: readonly Check[] = [
  ofQuery('row_dates', 'rows say when their tokens expire', readDates, (rowDates) => {
    if (rowDates === undefined) return cannotTell('there are no rows yet');
    const { zoneSeconds, extraSeconds, marginSeconds } = rowDates;
    if (zoneSeconds !== undefined && Math.abs(zoneSeconds) >= ZONE_SECONDS) {
      const hours = Math.abs(zoneSeconds / 3_600)
        .toFixed(1)
        .replace('.0', '');
      const where = zoneSeconds > 0 ? 'west' : 'east';
      return [
        fault(
          `Django dates the rows of its tokens ${hours} h ${zoneSeconds > 0 ? 'later' : 'earlier'} than the tokens expire: it has USE_TZ = False and a TIME_ZONE ${where} of UTC. ` +
            (zoneSeconds > 0
              ? 'Its flushexpiredtokens deletes rows that are dated rightly hours early, and tokens that were logged out live again.'
              : 'Its flushexpiredtokens goes by that, too; reports by expires_at or created_at are off.'),
          'Replace the cron job of flushexpiredtokens by `carelink-tokens cleanup`, which goes by the tokens. Until then ' +
            'serve dates its own rows as Django does, or later. USE_TZ = True ends it.',
        ),
      ];
    }
    if (extraSeconds <= marginSeconds) return [];
    return [
      note(
        `Tokens live up to ${inDays(extraSeconds)} longer than their rows say: the project lengthens them after for_user ("remember me").`,
        'Replace the cron job of flushexpiredtokens by `carelink-tokens cleanup`, which keeps rows as much longer; ' +
          'flushexpiredtokens brings tokens back that were logged out at Django. Better: set exp before the row is made.',
      ),
    ];
  }),
];

function readDates(database: Database): Promise<RowDates | undefined> {
  const query = <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    database.query<Row>('health', { text, values });
  return readRowDates(query, {
    outstanding: 'token_blacklist_outstandingtoken',
    blacklisted: 'token_blacklist_blacklistedtoken',
  });
}

/** A second or two would be no days at all. */
function inDays(seconds: number): string {
  return seconds < 8_640 ? `${Math.ceil(seconds)} s` : `${(seconds / 86_400).toFixed(1)} days`;
}
