/** A server whose messages are in another language; each text is one that PostgreSQL 15 said. */
import { describe, expect, it } from 'vitest';
import { runBatch } from '../../../src/cleanup/batch.js';
import { commitUnlessHurting } from '../../../src/cleanup/neighbours.js';

const TABLES = { outstanding: 'o', blacklisted: 'b', audited: false };
const failing = (fields: object) => () =>
  Promise.reject(Object.assign(new Error(), { severity: 'ERROR' }, fields));

describe('the cleanup understands', () => {
  it.each([
    ['de', 'ungültige Eingabesyntax für Typ integer: »here is a waiter«'],
    ['fr', 'syntaxe en entrée invalide pour le type integer : « here is a waiter »'],
    ['en', 'invalid input syntax for type integer: "here is a waiter"'],
  ])('whom a commit would hurt: %s', async (_, message) => {
    const query = failing({ code: '22P02', message });
    const at = { heedReaders: true, settledReaders: [], sleep: () => Promise.resolve() };
    expect(await commitUnlessHurting(query, TABLES, [], at)).toBe('waiter');
  });

  it.each([
    ['de', 'PL/pgSQL-Funktion keep() Zeile 1 bei RAISE'],
    ['fr', 'fonction PL/pgSQL keep(), ligne 1, à RAISE'],
    ['en', 'PL/pgSQL function keep() line 1 at RAISE'],
    ['within another statement', 'SQL statement "SELECT now()"\nPL/pgSQL function keep() line 1 at PERFORM'],
  ])('which function refused a row: %s', async (_, where) => {
    const session = { transaction: failing({ code: 'P0001', where }) } as never;
    const at = { monotonicMs: () => 0 } as never;
    expect(await runBatch(session, {} as never, {} as never, at)).toMatchObject({
      kind: 'refused',
      byTrigger: true,
      reason: 'the trigger function keep refused it (P0001)',
    });
  });
});
