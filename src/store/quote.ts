import pg from 'pg';

/** Quotes one SQL identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes `table` or `schema.table`; what is quoted already stays as it is. */
export function quoteQualified(name: string): string {
  return name.includes('"') ? name : name.split('.').map(quoteIdentifier).join('.');
}

/**
 * PostgreSQL's text form of an array. `pg` would write it too, but walks every element through generic
 * conversions: here it's strings, numbers and NULLs, thousands a second.
 */
export function arrayLiteral(values: readonly (string | number | undefined)[]): string {
  let literal = '{';
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (index > 0) literal += ',';
    if (value === undefined) literal += 'NULL';
    else if (typeof value === 'number') literal += value.toString();
    else literal += quoteElement(value);
  }
  return literal + '}';
}

function quoteElement(value: string): string {
  return value.includes('"') || value.includes('\\') ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

export type Value = string | number | null | undefined;

/** A statement with its values in place of `$1`, `$2` ...: for texts of several statements, which take none. */
export function withValues(text: string, values: readonly Value[]): string {
  return text.replace(/\$(\d+)/g, (_, place: string) => {
    const value = values[Number(place) - 1];
    return value == null ? 'NULL' : typeof value === 'number' ? `(${value})` : pg.escapeLiteral(value);
  });
}
