import { describe, expect, it } from 'vitest';
import { judgeServer, type ServerFacts } from '../../../src/migrate/preflight.js';

const server: ServerFacts = {
  versionNum: 150_020,
  version: '15.20',
  standby: false,
  mayCreateTemporary: true,
  mayCreateOurs: true,
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

  it('is refused as a standby, and where no copies can be made', () => {
    expect(codes({ standby: true })).toEqual(['standby']);
    expect(codes({ mayCreateTemporary: false })).toEqual(['no_create_right']);
  });
});
