import { describe, expect, it } from 'vitest';
import {
  judgeInvalid,
  judgeServer,
  type ServerFacts,
  type Surroundings,
} from '../../../src/migrate/preflight.js';
import { index } from './indexes.js';

const server: ServerFacts = {
  own: 'carelink',
  versionNum: 150_020,
  version: '15.20',
  standby: false,
  mayCreateOurs: true,
  ownerOfOurs: 'django',
  role: 'django',
};
const codes = (more: Partial<ServerFacts>) => judgeServer({ ...server, ...more }).map(({ code }) => code);

describe('a server', () => {
  it.each([
    [130_014, ['server_version']],
    [140_000, ['server_version']],
    [140_003, ['server_version']],
    [140_004, []],
    [150_000, []],
    [180_006, []],
  ])('of version %i', (versionNum, expected) => {
    expect(codes({ versionNum })).toEqual(expected);
  });

  it('is refused as a standby', () => expect(codes({ standby: true })).toEqual(['standby']));
});

describe('an invalid index of nobody known', () => {
  const quiet: Surroundings = {
    longTransactions: [],
    prepared: [],
    maintenance: [],
    cleanups: [],
    outOfPath: [],
  };
  const found = (name: string, around: Surroundings = quiet) =>
    judgeInvalid([], [index('fine', ['a']), index(name, ['a'], { valid: false })], around).map(
      ({ message }) => message,
    );

  it('is dropped where a REINDEX left it, and else may be wanted', () => {
    expect(found('i_ccnew1')).toEqual([expect.not.stringMatching(/REINDEX INDEX CONCURRENTLY/)]);
    expect(found('i')).toEqual([
      expect.stringMatching(/REINDEX INDEX CONCURRENTLY public\.i; or DROP INDEX CONCURRENTLY public\.i;$/),
    ]);
  });

  it('is left alone while a session builds it', () => {
    const maintenance = [{ pid: 1, table: 't', what: 'CREATE INDEX', index: 'i', ageMs: 1 } as const];
    expect(found('i', { ...quiet, maintenance })).toEqual([]);
  });
});
