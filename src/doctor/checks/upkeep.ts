import { cannotTell, fault, note, ofQuery, ofTables, warning, type Check, type Finding } from '../check.js';
import { readUpkeep, type TableUpkeep, type Upkeep } from '../read-upkeep.js';

/** A report is over by then; what is older has been forgotten, or is a backup of a large database. */
const LONG_MS = 60 * 60_000;

/** What a database administrator looks at: whether the tables survive a crash, are vacuumed, and keep what is written. */
export const UPKEEP_CHECKS: readonly Check[] = [
  ofQuery('durable', 'the token tables survive a crash', readUpkeep, ({ tables }) =>
    tables
      .filter(({ unlogged }) => unlogged)
      .map(({ name }) =>
        fault(
          `${name} is UNLOGGED: after a crash it is empty, and so it is on each standby. Then every log-out is undone, or ` +
            'nobody can refresh.',
          `ALTER TABLE ${name} SET LOGGED; it rewrites the table and locks it meanwhile.`,
        ),
      ),
  ),
  ofQuery('foreign_key', 'a blacklist row belongs to a token', readUpkeep, ({ foreignKey }) => {
    if (foreignKey === 'valid') return [];
    const mend =
      'Delete blacklist rows without a token. Then, as Django has it: ALTER TABLE token_blacklist_blacklistedtoken ADD FOREIGN ' +
      'KEY (token_id) REFERENCES token_blacklist_outstandingtoken (id) DEFERRABLE INITIALLY DEFERRED NOT VALID; and ' +
      'ALTER TABLE ... VALIDATE CONSTRAINT.';
    return [
      foreignKey === 'missing'
        ? warning(
            'There is no foreign key from token_blacklist_blacklistedtoken.token_id to token_blacklist_outstandingtoken.id: ' +
              'a log-out of a token that the cleanup removes at that moment leaves a row of no token.',
            mend,
          )
        : note('The foreign key of token_blacklist_blacklistedtoken.token_id is NOT VALID.', mend),
    ];
  }),
  ofQuery('autovacuum', 'autovacuum looks after the token tables', readUpkeep, judgeAutovacuum),
  ofQuery(
    'row_triggers',
    'no rule and no trigger of the site is in the way of rows',
    readUpkeep,
    ({ tables }) => tables.flatMap(judgeTriggers),
  ),
  ofQuery('long_transactions', 'no transaction is open for hours', readUpkeep, judgeTransactions),
  ofTables('publications', 'no subscriber stops at a table that is to be made', ({ overview }) => {
    if ('why' in overview) return cannotTell(`it could not be read: ${overview.why}`);
    return overview.value.findings
      .filter(({ code }) => code === 'published')
      .map(({ severity, message }) =>
        (severity === 'refuse' ? warning : note)(
          message,
          'Run `carelink-tokens migrate plan`: it prints what to run on each subscriber.',
        ),
      );
  }),
];

function judgeAutovacuum({ autovacuum, tables }: Upkeep): Finding[] {
  const mend =
    'Dead rows stay otherwise: tables and indexes grow, and each look-up of expired tokens wades through them.';
  const ofServer = warning(
    'autovacuum is off on this server (autovacuum or track_counts).',
    `ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf(); ${mend}`,
  );
  const each = tables
    .filter(({ vacuumed }) => !vacuumed)
    .map(({ name }) =>
      warning(`autovacuum is off for ${name}.`, `ALTER TABLE ${name} RESET (autovacuum_enabled); ${mend}`),
    );
  return autovacuum ? each : [ofServer, ...each];
}

function judgeTriggers({ name, rules, triggers }: TableUpkeep): Finding[] {
  return [
    ...rules.map(({ name: rule, event }) => {
      const what = `The rule ${rule} does something else INSTEAD of ${event} on ${name}`;
      const mend = `DROP RULE ${rule} ON ${name};`;
      return event === 'INSERT'
        ? fault(`${what}: refreshes and log-outs that are written there are not kept.`, mend)
        : warning(`${what}: the cleanup can't remove what has expired.`, mend);
    }),
    ...triggers.map(({ name: trigger, calls, passes }) =>
      passes
        ? note(
            `The trigger ${trigger} runs before each row of ${name} is written or deleted. If it returns NULL the row is ` +
              'passed over without an error: a log-out that is not kept, or an expired row that stays. If it raises an ' +
              'error, refreshes and log-outs get 503.',
            `See that ${calls} returns NEW (or OLD for a DELETE) in each case.`,
          )
        : note(
            `The trigger ${trigger} runs when rows of ${name} are written. If it raises an error, refreshes and log-outs get 503.`,
            `If the log has write_refused, look what it does (\\sf ${calls} in psql), and mend it or run DROP TRIGGER ${trigger} ON ${name};`,
          ),
    ),
  ];
}

function judgeTransactions({ oldest }: Upkeep): Finding[] {
  return oldest
    .filter(({ ageMs }) => ageMs >= LONG_MS)
    .map(({ who, ageMs }) =>
      warning(
        `${who} has been open for ${Math.round(ageMs / 3_600_000)} h: dead rows of that time can't be vacuumed away, and an ` +
          'index build waits for it.',
        'End it, or find out what keeps it open. A replication slot or a standby with hot_standby_feedback has the same effect.',
      ),
    );
}
