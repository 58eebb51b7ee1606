import { describe, expect, it } from 'vitest';
import type { ColumnFacts, TableFacts } from '../../../src/migrate/catalog.js';
import { estimateIndex, rowsOf } from '../../../src/migrate/estimate.js';
import { index } from './indexes.js';

const column = (name: string, more: Partial<ColumnFacts> = {}): ColumnFacts => ({
  name,
  width: 8,
  distinct: -1,
  correlation: undefined,
  ...more,
});
const table = (more: Partial<TableFacts> = {}): TableFacts => ({
  name: 't',
  oid: 1,
  qualifiedName: 'public.t',
  kind: 'table',
  owner: 'django',
  owned: true,
  readable: true,
  rows: 1_000_000,
  bytes: 0,
  indexBytes: 0,
  parameters: new Map(),
  columns: [
    column('id'),
    column('expires_at', { correlation: 1 }),
    column('user_id', { width: 4, distinct: 5000, correlation: 0 }),
  ],
  ...more,
});
const megabytes = (keys: string[]) => estimateIndex(index('i', keys), table()).bytes / 1024 / 1024;

describe('what an index costs', () => {
  // As PostgreSQL 15 built them on 1,000,000 rows.
  it.each([
    [['expires_at', 'id'], 30],
    [['expires_at'], 21],
    [['user_id'], 6.7],
  ])('%j is within a fifth of %f MB', (keys, measured) => {
    expect(megabytes(keys)).toBeGreaterThan(measured * 0.8);
    expect(megabytes(keys)).toBeLessThan(measured * 1.2);
  });

  it('is written at one end where rows come in the order of its first column', () => {
    expect(estimateIndex(index('i', ['expires_at']), table()).inserts).toBe('at_the_end');
    expect(estimateIndex(index('i', ['user_id']), table()).inserts).toBe('anywhere');
    expect(estimateIndex(index('i', ['id']), table()).inserts).toBe('anywhere');
  });

  it('goes by the size of a table that was never analysed', () => {
    expect(rowsOf(table({ rows: undefined, bytes: 4_800 }))).toBe(100);
  });
});
