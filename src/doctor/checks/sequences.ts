import { readSequences, type SequenceState } from '../../store/sequences.js';
import { cannotTell, fault, ofQuery, warning, type Check, type Finding } from '../check.js';

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
      return [...behindFindings(behind), ...sequences.flatMap(nearItsEnd)];
    },
  ),
];

/** Each refresh takes one: at a hundred a second the last tenth of an integer's is 25 days. */
const NEARLY_ALL_PERCENT = 90n;

function nearItsEnd({ table, sequence, next, last }: SequenceState): Finding[] {
  if (next === undefined || next * 100n < last * NEARLY_ALL_PERCENT) return [];
  return [
    warning(
      `The sequence ${sequence} is near its end: it gives ${String(next)} next, and ${String(last)} is the last id. Past that ` +
        'each refresh and each log-in fails.',
      `Make the ids of ${table} bigint, as simplejwt's migration 0008 does, or raise the sequence's MAXVALUE.`,
    ),
  ];
}

function behindFindings(behind: readonly SequenceState[]): Finding[] {
  return behind.map(({ table, sequence, next, highestId }) =>
    fault(
      `The sequence ${sequence} is behind its table: it gives ${String(next)} next, and ${table} has ids up to ` +
        `${String(highestId)}. Rows are refused with 23505 until it has passed them; this is what a restore leaves ` +
        'that does not set sequences.',
      `SELECT setval('${sequence}', (SELECT max(id) FROM ${table})); or ` +
        '`manage.py sqlsequencereset token_blacklist | manage.py dbshell`.',
    ),
  );
}
