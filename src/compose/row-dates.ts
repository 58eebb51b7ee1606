import type { ServeSettings } from '../config/settings.js';
import type { Log } from '../observe/log.js';
import type { Database } from '../store/database.js';
import { ORDINARY_DATES, readRowDates, type RowDates } from '../store/row-dates.js';
import type { TokenSchema } from '../store/schema.js';
import type { ReleaseStack } from './release.js';

/** Some 5 ms of the database each time; a Django whose settings change is restarted, and that takes longer. */
const MEASURE_EVERY_MS = 60_000;

/** Tables without a row say nothing: of a new site's first log-in it is known a second later. */
const EMPTY_EVERY_MS = 1_000;

/**
 * How the site dates its rows, now and from now on. An embedded database is no Django's.
 *
 * @throws what `pg` throws, where they can't be read at the start
 */
export async function watchRowDates(
  settings: ServeSettings,
  database: Database,
  schema: TokenSchema,
  log: Log,
  releases: ReleaseStack,
): Promise<() => RowDates> {
  if (!schema.mayKeep) log.warn('rows_not_kept', { cause: NOT_KEPT });
  if (settings.database.kind === 'embedded') return () => ORDINARY_DATES;
  const query = <Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    database.query<Row>('health', { text, values });
  let dates: RowDates | undefined;
  const measure = async (): Promise<void> => {
    const before = dates?.marginSeconds ?? 0;
    dates = await readRowDates(query, schema);
    const { marginSeconds } = dates ?? ORDINARY_DATES;
    if (marginSeconds !== before) log.warn('row_dates', { cause: margin(marginSeconds) });
  };
  await measure();
  let timer: NodeJS.Timeout;
  const again = (): void => {
    // A database that is away has an alert of its own; what was measured last stands.
    timer = setTimeout(
      () => void measure().catch(() => undefined).finally(again),
      dates === undefined ? EMPTY_EVERY_MS : MEASURE_EVERY_MS,
    ).unref(); // prettier-ignore
  };
  again();
  releases.add(() => clearTimeout(timer));
  return () => dates ?? ORDINARY_DATES;
}

function margin(seconds: number): string {
  return seconds === 0
    ? 'rows of tokens are dated by UTC again'
    : `Django dates rows of tokens by another zone (USE_TZ = False): rows made here are dated ${seconds / 3_600} h later, ` +
        'so that its flushexpiredtokens does not remove them early; run carelink-tokens cleanup in its place';
}

const NOT_KEPT =
  'the role may not update expires_at of token_blacklist_outstandingtoken: a token that outlives its row can be used ' +
  'again once the row is cleaned up; GRANT UPDATE (expires_at) ON token_blacklist_outstandingtoken to it';
