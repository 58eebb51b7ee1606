import type { Ask } from './database.js';
import { SchemaError } from './errors.js';
import {
  FUNCTIONS,
  NEEDS,
  oursOf,
  wantedOf,
  type Need,
  type Privilege,
  type Privileges,
  type RightsSchema,
} from './privileges.js';
import { quoteIdentifier } from './quote.js';

/** One right, as GRANT has it. */
export interface Right {
  readonly privilege: Privilege;
  readonly on: 'schema' | 'table' | 'sequence' | 'function';
  /** Qualified and quoted. */
  readonly name: string;
  readonly oid: number;
  /** Of a table: only these of its columns, as the catalog has them. */
  readonly columns: readonly string[];
  readonly for: readonly Need[];
}

interface SequenceRow {
  readonly name: string;
  readonly oid: number;
  /** A default of a column draws from it; to insert needs no right on an IDENTITY's. */
  readonly in_default: boolean;
}

interface RelationRow {
  readonly n: number;
  readonly schema: string;
  readonly schema_oid: number;
  readonly qualified: string;
  readonly oid: number;
  readonly sequences: SequenceRow[] | null;
}

/** All rights that commands need on this database, in the order in which they are granted. */
export async function rightsNeeded(ask: Ask, schema: RightsSchema): Promise<Right[]> {
  const wanted = wantedOf(schema);
  const rows = await ask<RelationRow>(
    `SELECT i.n::int AS n, quote_ident(n.nspname) AS schema, n.oid AS schema_oid,
            format('%I.%I', n.nspname, c.relname) AS qualified, c.oid,
            (SELECT jsonb_agg(DISTINCT jsonb_build_object('name', format('%I.%I', sn.nspname, s.relname), 'oid', s.oid::int8,
                                                          'in_default', u.in_default))
               FROM (SELECT e.refobjid AS sequence, true AS in_default
                       FROM pg_attrdef d
                       JOIN pg_depend e ON e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid
                                       AND e.refclassid = 'pg_class'::regclass
                      WHERE d.adrelid = c.oid
                      UNION ALL
                     SELECT e.objid, false
                       FROM pg_depend e
                      WHERE e.classid = 'pg_class'::regclass AND e.refclassid = 'pg_class'::regclass
                        AND e.refobjid = c.oid AND e.deptype = 'i') u
               JOIN pg_class s ON s.oid = u.sequence AND s.relkind = 'S'
               JOIN pg_namespace sn ON sn.oid = s.relnamespace) AS sequences
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i (schema, name, n)
       JOIN pg_namespace n ON n.nspname = i.schema
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = i.name
      ORDER BY i.n`,
    [wanted.map(({ schema: one }) => one), wanted.map(({ name }) => name)],
  );
  const rights: Right[] = [];
  const add = (right: Omit<Right, 'for'>, needs: readonly Need[]): void => {
    const place = rights.findIndex(
      ({ oid, privilege }) => oid === right.oid && privilege === right.privilege,
    );
    const both = new Set([...(rights[place]?.for ?? []), ...needs]);
    const whole = { ...right, for: NEEDS.filter((need) => both.has(need)) };
    if (place < 0) rights.push(whole);
    else rights[place] = whole;
  };
  const whoNeeds = (privileges: Privileges, privilege?: Privilege): Need[] =>
    NEEDS.filter((need) =>
      privilege === undefined ? privileges[need] !== undefined : privileges[need]?.includes(privilege),
    );
  for (const { n, schema: name, schema_oid } of rows) {
    const { privileges } = at(wanted, n);
    add({ privilege: 'USAGE', on: 'schema', name, oid: schema_oid, columns: [] }, whoNeeds(privileges));
  }
  for (const { n, qualified, oid, sequences } of rows) {
    const { privileges, columns, readsSequences } = at(wanted, n);
    for (const privilege of ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const) {
      const needs = whoNeeds(privileges, privilege);
      if (needs.length > 0) add({ privilege, on: 'table', name: qualified, oid, columns }, needs);
    }
    const inserting = whoNeeds(privileges, 'INSERT');
    for (const { in_default, ...sequence } of sequences ?? []) {
      const right = { on: 'sequence', ...sequence, columns: [] } as const;
      if (in_default && inserting.length > 0) add({ ...right, privilege: 'USAGE' }, inserting);
      if (readsSequences.length > 0) add({ ...right, privilege: 'SELECT' }, readsSequences);
    }
  }
  for (const { needs, schema: name, schema_oid, ...one } of await functionsOf(ask, schema)) {
    add({ privilege: 'USAGE', on: 'schema', name, oid: schema_oid, columns: [] }, needs);
    add({ privilege: 'EXECUTE', on: 'function', ...one, columns: [] }, needs);
  }
  return rights;
}

/** Those that a migration has made. */
async function functionsOf(
  ask: Ask,
  { own }: RightsSchema,
): Promise<{ name: string; oid: number; schema: string; schema_oid: number; needs: readonly Need[] }[]> {
  const rows = await ask<{ signature: string; oid: number; schema: string; schema_oid: number }>(
    `SELECT i.signature, p.oid, quote_ident(n.nspname) AS schema, n.oid AS schema_oid
       FROM unnest($2::text[]) WITH ORDINALITY AS i (signature, n)
       JOIN pg_namespace n ON n.nspname = $1
       JOIN pg_proc p ON p.pronamespace = n.oid
        AND format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) = i.signature
      ORDER BY i.n`,
    [own, Object.keys(FUNCTIONS)],
  );
  return rows.map(({ signature, ...row }) => ({
    ...row,
    name: `${row.schema}.${signature}`,
    needs: FUNCTIONS[signature] ?? [],
  }));
}

/** Those that a role lacks, this connection's where none is named; of a table that isn't there none. */
export async function missingRights(
  ask: Ask,
  schema: RightsSchema,
  needs: readonly Need[],
  role?: string,
): Promise<Right[]> {
  const needed = (await rightsNeeded(ask, schema)).filter((right) =>
    right.for.some((need) => needs.includes(need)),
  );
  // A right on columns is asked for one by one; has_column_privilege is content with one on the whole table.
  const asked = needed.flatMap((right, n) =>
    right.columns.length === 0
      ? [{ n, right, column: '' }]
      : right.columns.map((column) => ({ n, right, column })),
  );
  const lacking = await ask<{ n: number }>(
    `SELECT DISTINCT i.n
       FROM unnest($1::int[], $2::text[], $3::oid[], $4::text[], $5::text[]) AS i (n, kind, oid, privilege, col),
            (SELECT coalesce($6::name, current_user) AS role) r
      WHERE NOT CASE WHEN i.kind = 'schema' THEN has_schema_privilege(r.role, i.oid, i.privilege)
                     WHEN i.kind = 'sequence' THEN has_sequence_privilege(r.role, i.oid, i.privilege)
                     WHEN i.kind = 'function' THEN has_function_privilege(r.role, i.oid, i.privilege)
                     WHEN i.col = '' THEN has_table_privilege(r.role, i.oid, i.privilege)
                     ELSE has_column_privilege(r.role, i.oid, i.col, i.privilege) END
      ORDER BY 1`,
    [
      asked.map(({ n }) => n),
      asked.map(({ right }) => right.on),
      asked.map(({ right }) => right.oid),
      asked.map(({ right }) => right.privilege),
      asked.map(({ column }) => column),
      role ?? null,
    ],
  );
  return lacking.map(({ n }) => at(needed, n + 1));
}

/** GRANT statements, one for each object; `role` as the catalog has it. */
function grantStatements(rights: readonly Right[], role: string): string[] {
  const objects = new Map<string, Right[]>();
  for (const right of rights) {
    const key = `${right.on} ${right.name}`;
    objects.set(key, [...(objects.get(key) ?? []), right]);
  }
  return [...objects.values()].map((all) => grantStatement(all, role));
}

/** The statement for rights on one object. */
export function grantStatement(rights: readonly Right[], role: string): string {
  const privileges = rights.map(({ privilege, columns }) =>
    columns.length === 0 ? privilege : `${privilege} (${columns.map(quoteIdentifier).join(', ')})`,
  );
  const object =
    rights.map(({ on, name }) => (on === 'table' ? name : `${on.toUpperCase()} ${name}`))[0] ?? '';
  return `GRANT ${privileges.join(', ')} ON ${object} TO ${quoteIdentifier(role)};`;
}

/**
 * Names what a role lacks, with the statements that grant it.
 *
 * @throws SchemaError GRANTS_MISSING | ROWS_HIDDEN
 */
export async function checkRights(ask: Ask, schema: RightsSchema, needs: readonly Need[]): Promise<void> {
  const missing = await missingRights(ask, schema, needs);
  const [row] = await ask<{ role: string }>('SELECT current_user::text AS role');
  const role = row?.role ?? '';
  if (missing.length > 0) throw new SchemaError('GRANTS_MISSING', rightsInWords(missing, role));
  const hidden = await hiddenTables(ask, schema);
  if (hidden.length > 0) throw new SchemaError('ROWS_HIDDEN', hiddenInWords(hidden, role));
}

export function rightsInWords(missing: readonly Right[], role: string): string {
  const names = missing.map(({ privilege, name }) => `${privilege} on ${name}`).join(', ');
  return (
    `The role ${role} lacks rights that are needed here: ${names}. As the owner of what they are on, run ` +
    `\`${grantStatements(missing, role).join(' ')}\`. \`carelink-tokens migrate grants --role ${role}\` prints all that each command needs.`
  );
}

export function hiddenInWords(hidden: readonly string[], role: string): string {
  return (
    `Row-level security hides rows of ${hidden.join(', ')} from the role ${role}: a token whose blacklist row isn't seen would ` +
    `be taken for a live one. Run \`ALTER ROLE ${quoteIdentifier(role)} BYPASSRLS\` as a superuser, connect as the tables' ` +
    'owner, or take row-level security off them.'
  );
}

/**
 * The tables whose rows this role sees only as policies let it, qualified. What the policies say isn't judged: our
 * sessions have row_security off, so that PostgreSQL refuses their statements whatever it is.
 */
export async function hiddenTables(ask: Ask, schema: RightsSchema): Promise<string[]> {
  const { relations, users, own } = schema;
  const all = [
    ...(relations === undefined ? [] : [relations.outstanding, relations.blacklisted]),
    ...(users === undefined ? [] : [users.relation]),
  ];
  const rows = await ask<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE format('%I.%I', n.nspname, c.relname) = ANY ($1) AND row_security_active(c.oid)
      ORDER BY 1`,
    [
      [
        ...all.map(({ qualified }) => qualified),
        ...Object.keys(oursOf(schema)).map((name) => `${own}.${name}`),
      ],
    ],
  );
  return rows.map(({ name }) => name);
}

function at<T>(all: readonly T[], n: number): T {
  const one = all[n - 1];
  if (one === undefined) throw new Error('the catalog told of another table than was asked for');
  return one;
}
