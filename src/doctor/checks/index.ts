import type { Check } from '../check.js';
import { CLOCK_CHECKS } from './clocks.js';
import { DATABASE_CHECKS } from './database.js';
import { DJANGO_CHECKS } from './django.js';
import { FACTS_CHECKS } from './facts.js';
import { KEY_CHECKS } from './keys.js';
import { LOCK_CHECKS } from './locks.js';
import { REDIS_CHECKS } from './redis.js';
import { ROW_DATE_CHECKS } from './row-dates.js';
import { SEQUENCE_CHECKS } from './sequences.js';
import { TABLE_CHECKS } from './tables.js';
import { TOKEN_CHECKS } from './tokens.js';
import { UPKEEP_CHECKS } from './upkeep.js';
import { USER_CHECKS } from './users.js';

/**
 * All checks, in the order in which things build on one another.
 *
 * A new check is a file here and a line below: `ofTables` for what is in the evidence already, `ofQuery` where it has a
 * look of its own at the database. A check names one cause; what only follows from it answers `cannotTell`.
 */
export const CHECKS: readonly Check[] = [
  ...DATABASE_CHECKS,
  ...LOCK_CHECKS,
  ...TABLE_CHECKS,
  ...SEQUENCE_CHECKS,
  ...UPKEEP_CHECKS,
  ...DJANGO_CHECKS,
  ...ROW_DATE_CHECKS,
  ...KEY_CHECKS,
  ...FACTS_CHECKS,
  ...TOKEN_CHECKS,
  ...USER_CHECKS,
  ...CLOCK_CHECKS,
  ...REDIS_CHECKS,
];
