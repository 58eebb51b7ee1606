import { readSequences } from '../../store/sequences.js';
import { cannotTell, fault, ofQuery, type Check } from '../check.js';

const TABLES = ['token_blacklist_outstandingtoken', 'token_blacklist_blacklistedtoken'];

export const SEQUENCE_CHECKS: readonly Check[] = [
  ofQuery(
    'sequences',
    'new rows get ids that are free',
    (database) => readSequences(database, TABLES),
    (sequences) => {
      const behind = sequences.filter(
        ({ next, highestId }) => next !== undefined && highestId !== undefined && next <= highestId,
      );
      const hidden = sequences.find(({ next }) => next === undefined);
      if (behind.length === 0 && hidden !== undefined)
        return cannotTell(`this role may not read the sequence ${hidden.sequence}`);
      return behind.map(({ table, sequence, next, highestId }) =>
        fault(
          `The sequence ${sequence} is behind its table: it gives ${String(next)} next, and ${table} has ids up to ` +
            `${String(highestId)}. Rows are refused with 23505 until it has passed them; this is what a restore leaves ` +
            'that does not set sequences.',
          `SELECT setval('${sequence}', (SELECT max(id) FROM ${table})); or ` +
            '`manage.py sqlsequencereset token_blacklist | manage.py dbshell`.',
        ),
      );
    },
  ),
];
