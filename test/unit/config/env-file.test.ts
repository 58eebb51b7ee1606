import { describe, expect, it } from 'vitest';
import { withEnvFile } from '../../../src/config/env-file.js';
import { parseEnvFile } from '../../../src/config/env-file-text.js';
import { cleanupSettings } from '../../../src/config/cleanup-settings.js';
import { benchSettings } from '../../../src/config/bench-settings.js';
import { deadLettersSettings } from '../../../src/config/dead-letters-settings.js';
import { doctorSettings } from '../../../src/config/doctor-settings.js';
import { migrateSettings } from '../../../src/config/migrate-settings.js';
import { revokeSettings } from '../../../src/config/revoke-settings.js';
import { sessionsSettings } from '../../../src/config/sessions-settings.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import type { Source } from '../../../src/config/source.js';
import { problemsOf, source } from './source.js';

const FILE = '/srv/app/carelink.env';
const URL = 'postgres://app@db/app';

/** As the command line does before it reads a command's settings. */
const serveWith = (flags: Record<string, string>, from: Source) =>
  serveSettings(flags, withEnvFile(flags, from));

/** `serve` with a file of these lines. */
const serve = (
  text: string,
  env: Record<string, string> = {},
  flags: Record<string, string> = {},
  mode = 0o600,
) =>
  serveWith(
    { 'env-file': 'carelink.env', 'database-url': URL, ...flags },
    source(
      { CARELINK_SIGNING_KEY: 'k'.repeat(40), ...env },
      { [FILE]: text, '/srv/app/key': 'x'.repeat(40) },
      { [FILE]: mode },
    ),
  );

describe('the text of an env file', () => {
  it('has NAME=value lines, remarks, export, and quotes over several lines', () => {
    const text = [
      '\uFEFF# a remark',
      '',
      'A=1',
      ' export B = two words  # a remark',
      'C=pa#ss$word',
      "D='$literal \\n'",
      'E="a\\nb \\"c\\" \\\\"   # a remark',
      'PEM="-----BEGIN KEY-----',
      'abc',
      '-----END KEY-----"',
      'EMPTY=',
      'A=again',
    ].join('\r\n');
    const { variables, faults } = parseEnvFile(text);
    expect(faults).toEqual([]);
    expect(Object.fromEntries(variables.map(({ name, value }) => [name, value]))).toEqual({
      A: 'again',
      B: 'two words',
      C: 'pa#ss$word',
      D: '$literal \\n',
      E: 'a\nb "c" \\',
      PEM: '-----BEGIN KEY-----\nabc\n-----END KEY-----',
      EMPTY: '',
    });
    expect(variables.find(({ name }) => name === 'EMPTY')?.line).toBe(11);
  });

  it('tells each line that it can not read by its number, and never what is in it', () => {
    const { faults } = parseEnvFile("A=1\nsecret words\nB=\"never closed\nC=2\n1D=3\nE='x' secret");
    expect(faults).toEqual([
      'line 2 is no NAME=value',
      'line 3 has a " that is never closed',
      'line 5 is no NAME=value',
      "line 6 has text behind its closing '",
    ]);
  });
});

describe('--env-file', () => {
  it('is beaten by the environment, which is beaten by a flag', () => {
    const text = 'CARELINK_PORT=1\nCARELINK_ADMIN_PORT=2\nCARELINK_ISSUER=file\nCARELINK_LEEWAY=3s\n';
    const settings = serve(
      text,
      { CARELINK_ADMIN_PORT: '20', CARELINK_ISSUER: 'env', CARELINK_LEEWAY: '' },
      { issuer: 'flag' },
    );
    expect(settings.http.port).toBe(1);
    expect(settings.admin.port).toBe(20);
    expect(settings.tokens.issuer).toBe('flag');
    // Set to nothing is not set.
    expect(settings.tokens.leewaySeconds).toBe(3);
  });

  it('does not beat a customary name in the environment by its own one, nor a key there by a file of a key', () => {
    const text = `CARELINK_PORT=1\nCARELINK_SIGNING_KEY_FILE=key\nCARELINK_DATABASE_URL=postgres://file@h/d`;
    const settings = serveWith(
      { 'env-file': FILE },
      source({ PORT: '7', CARELINK_SIGNING_KEY: 'e'.repeat(40), DATABASE_URL: URL }, { [FILE]: text }),
    );
    expect([settings.http.port, settings.keys.signingKey, settings.database]).toEqual([
      7,
      'e'.repeat(40),
      expect.objectContaining({ url: URL }),
    ]);
  });

  it('is there for every command, and can be named by CARELINK_ENV_FILE', () => {
    const text = `DATABASE_URL=${URL}\nCARELINK_QUIET=true\nCARELINK_SIGNING_KEY=${'k'.repeat(40)}`;
    const from = withEnvFile({}, source({ CARELINK_ENV_FILE: 'carelink.env' }, { [FILE]: text }));
    const all = [
      serveSettings({}, from),
      doctorSettings({}, from),
      migrateSettings({}, from, ['status']),
      cleanupSettings({}, from),
      revokeSettings({ user: '1' }, from),
      sessionsSettings({ user: '1' }, from),
      deadLettersSettings({}, from),
      benchSettings({}, from),
    ];
    expect(all.map(({ command, quiet }) => [command, quiet])).toEqual(
      all.map(({ command }) => [command, true]),
    );
    expect(all.slice(0, 7).map((one) => 'database' in one && one.database)).toEqual(
      Array(7).fill(expect.objectContaining({ kind: 'url', url: URL })),
    );
  });

  it('ends with each bad line by number, and with a file that is not there', () => {
    expect(problemsOf(() => serve('CARELINK_PORT 8000\nx'))).toEqual([
      `--env-file: ${FILE}: line 1 is no NAME=value.`,
      `--env-file: ${FILE}: line 2 is no NAME=value.`,
    ]);
    expect(problemsOf(() => serve('CARELINK_ENV_FILE=other.env'))).toEqual([
      `--env-file: ${FILE}: line 1 names another file. Put all into one.`,
    ]);
    expect(problemsOf(() => serveWith({ 'env-file': 'gone.env' }, source()))).toEqual([
      '--env-file: the file /srv/app/gone.env does not exist.',
    ]);
    expect(problemsOf(() => serve('CARELINK_PORT=http'))).toEqual([
      'CARELINK_PORT takes a port from 0 to 65535, not "http".',
    ]);
  });

  it('warns of a variable that is misspelt with its line, and of secrets that everybody can read', () => {
    expect(serve('\nCARELINK_PROT=1').warnings).toContain(
      `${FILE}: line 2: CARELINK_PROT is set, but this version has no option of that name. Did you mean CARELINK_PORT?`,
    );
    const secret = 'CARELINK_CHAIN_KEY=' + 'ab'.repeat(32);
    expect(serve(secret, {}, {}, 0o644).warnings).toContain(
      `${FILE} holds a secret, and every user of this machine can read it. Run \`chmod o-rwx\` on it.`,
    );
    expect(serve(secret, {}, {}, 0o600).warnings.filter((one) => one.includes('secret'))).toEqual([]);
    expect(serve('CARELINK_PORT=1', {}, {}, 0o644).warnings.filter((one) => one.includes('secret'))).toEqual(
      [],
    );
  });

  it("hands libpq's variables on, where the environment has none", () => {
    const { database } = serve('PGPASSWORD=from-file\nPGSSLMODE=require', { PGSSLMODE: 'verify-full' });
    expect(database).toMatchObject({ libpq: { PGPASSWORD: 'from-file', PGSSLMODE: 'verify-full' } });
    expect(serve('CARELINK_PORT=1').database).toMatchObject({ libpq: undefined });
  });
});
