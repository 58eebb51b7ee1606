import { fault, ofDatabase, ofTables, warning, type Check, type Finding } from '../check.js';

/** A login is refused by a token from the future once clocks differ by a second; PyJWT allows nothing. */
const SKEW_WARNING_MS = 1_000;
const SKEW_FAULT_MS = 5_000;

/** Kept free for Django, and for whoever has to look when something is wrong. */
const SPARE_CONNECTIONS = 10;

export const DATABASE_CHECKS: readonly Check[] = [
  {
    id: 'database',
    title: 'the database answers',
    judge: ({ database }) =>
      database.kind === 'reached'
        ? []
        : [fault(database.message, 'Start it, or correct --database-url (DATABASE_URL).')],
  },
  ofDatabase('primary', 'the database takes writes', ({ facts }) => {
    if (facts.standby) {
      return [fault('This server is a standby, and takes no writes.', 'Give --database-url of the primary.')];
    }
    if (!facts.read_only) return [];
    return [
      fault(
        `Sessions of the role ${facts.role} are read only: default_transaction_read_only is on for the role, the database or the server.`,
        'If it is not meant to keep writes out, take it back (ALTER ROLE, ALTER DATABASE or ALTER SYSTEM ... RESET).',
      ),
    ];
  }),
  ofDatabase('server', 'the server is one that can be worked with', ({ overview }) =>
    overview?.findings
      .filter(({ code }) => code === 'server_version')
      .map(({ message }) => warning(message, "Update PostgreSQL to its branch's newest release.")),
  ),
  ofDatabase('clock', "this host's clock and the database's agree", ({ clockAheadMs, embedded }) =>
    embedded ? [] : skew(clockAheadMs),
  ),
  ofDatabase('connections', 'there are connections enough', ({ facts, embedded }, { options }) => {
    const free = facts.max_connections - facts.other_connections;
    if (embedded || free >= options.poolSize + SPARE_CONNECTIONS) return [];
    const what = `Of max_connections = ${facts.max_connections}, ${free} are free; --pool-size takes ${options.poolSize} an instance.`;
    const mend = 'Lower --pool-size, put PgBouncer between, or raise max_connections.';
    return [free < options.poolSize ? fault(what, mend) : warning(what, mend)];
  }),
  ofTables('grants', 'the role may do what refreshes do', ({ schema, facts }) => {
    if (schema.kind !== 'read') return undefined;
    if (schema.health !== 'grants missing') return [];
    return [
      fault(
        `The role ${facts.role} may not write all of the token tables and carelink.revoked_before.`,
        `GRANT SELECT, INSERT on the token tables, SELECT on the user table, SELECT, INSERT, UPDATE on all tables in schema carelink, USAGE on the sequences, to ${facts.role}.`,
      ),
    ];
  }),
];

function skew(aheadMs: number): Finding[] {
  const off = Math.abs(aheadMs);
  if (off < SKEW_WARNING_MS) return [];
  const what = `This host's clock is ${(off / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the database's.`;
  const mend =
    "Tokens are dated by the database's clock; a Django whose clock is behind refuses them as not yet valid. Run NTP on both.";
  return [off < SKEW_FAULT_MS ? warning(what, mend) : fault(what, mend)];
}
