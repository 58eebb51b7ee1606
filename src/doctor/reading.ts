import { MigrateError } from '../migrate/index.js';
import {
  isPrivilegeMissing,
  isRowSecurity,
  isTooSlow,
  NotConnectedError,
  sqlStateOf,
} from '../store/errors.js';

/** What was read, or in words why it could not be. */
export type Reading<T> = { readonly value: T } | { readonly why: string };

/** Runs one look at the set-up. Whatever goes wrong in it is a reason, and ends no other look. */
export async function attempt<T>(look: () => Promise<T>): Promise<Reading<T>> {
  try {
    return { value: await look() };
  } catch (error) {
    return { why: reasonOf(error) };
  }
}

/** Why a look failed. Of a foreign error only its code: a text of PostgreSQL can hold a token. */
export function reasonOf(error: unknown): string {
  if (error instanceof NotConnectedError) return 'the connection to the database could not be had';
  if (isRowSecurity(error)) return 'row-level security hides rows from the role';
  if (isPrivilegeMissing(error)) return `the role lacks a right (42501${objectOf(error)})`;
  if (isTooSlow(error)) return 'the database did not answer in time';
  if (error instanceof MigrateError && error.code !== 'MIGRATION_FAILED') return error.message;
  const code = sqlStateOf(error) ?? (error instanceof Error && 'code' in error ? String(error.code) : '');
  const name = error instanceof Error ? error.constructor.name : 'no error';
  return /^[A-Z0-9_]{2,40}$/.test(code) ? `it failed with ${code}` : `it failed with ${name}`;
}

/** "permission denied for table x" names an object of the catalog, and nothing else. */
function objectOf(error: unknown): string {
  const named =
    error instanceof Error ? /\b(?:table|view|schema|sequence) (\w{1,63})$/.exec(error.message) : null;
  return named === null ? '' : `: ${named[0]}`;
}
