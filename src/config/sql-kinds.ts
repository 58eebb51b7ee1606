import type { ValueKind } from './kinds.js';

/** PostgreSQL cuts longer names silently, and would then look for another table than the one that was named. */
const NAME_BYTES = 63;

const PLAIN = '[\\p{L}_][\\p{L}\\p{N}_$]*';
const QUOTED = '"(?:[^"\\0]|"")+"';
const QUALIFIED = new RegExp(`^(?:${PLAIN}|${QUOTED})(?:\\.(?:${PLAIN}|${QUOTED}))?$`, 'u');
const PART = new RegExp(`${QUOTED}|${PLAIN}`, 'gu');

/** `table` or `schema.table`; a part with other characters stands in double quotes, as in SQL. */
export const tableName: ValueKind<string> = {
  placeholder: 'table',
  allowed: 'a table name, or schema.table (with double quotes around a part that is no plain name)',
  parse(text) {
    if (!QUALIFIED.test(text)) return undefined;
    const parts = text.match(PART) ?? [];
    return parts.every((part) => fits(part.replace(/^"|"$/g, '').replaceAll('""', '"'))) ? text : undefined;
  },
};

/** A column's name as the catalog has it: no quotes, capitals count. */
export const columnName: ValueKind<string> = {
  placeholder: 'column',
  allowed: 'the name of a column, without quotes',
  parse: (text) => (/^[^"\p{Cc}]+$/u.test(text) && fits(text) ? text : undefined),
};

/** The name of a role or a schema as the catalog has it. A quote is taken for a part of it. */
export const objectName = (placeholder: 'role' | 'schema'): ValueKind<string> => ({
  placeholder,
  allowed: `the name of a ${placeholder}, as PostgreSQL lists it`,
  parse: (text) => (/^[^\p{Cc}]+$/u.test(text) && fits(text) ? text : undefined),
});

function fits(name: string): boolean {
  return Buffer.byteLength(name) <= NAME_BYTES;
}
