import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Reloads } from '../../../src/compose/reloads.js';
import type { Renewal } from '../../../src/compose/renewal.js';
import { settingsReader } from '../../../src/config/reader.js';
import { serveSettings } from '../../../src/config/serve-settings.js';
import { withChainKeys } from '../../../src/jwt/key-set.js';
import { createLog } from '../../../src/observe/log.js';
import { OTHER_TLS, TLS } from '../../support/tls-pair.js';

const [OLD, NEXT] = ['o'.repeat(48), 'n'.repeat(48)];
const NOW_MS = Date.parse('2030-01-01T00:00:00Z');

/** Files, and a server that takes what it is given, or whose workers are silent when it is given the nth. */
function world(silent: Readonly<Record<number, readonly number[]>> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-reloads-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  const show = ({ cert, key }: typeof TLS) => {
    write('cert.pem', cert);
    write('key.pem', key);
  };
  write('signing.key', OLD);
  write('other.key', OLD);
  show(TLS);
  const flags = {
    'signing-key-file': join(directory, 'signing.key'),
    'verifying-key-file': [join(directory, 'other.key')],
    'tls-cert': join(directory, 'cert.pem'),
    'tls-key': join(directory, 'key.pem'),
    'database-url': 'postgres://nobody@localhost/nothing',
  };
  const read = settingsReader((source) =>
    serveSettings(flags, { ...source, env: { CARELINK_CHAIN_KEY: '00'.repeat(16) } }),
  );
  const { settings } = read();
  const inUse: Renewal = { keys: withChainKeys(settings.keys, OLD), tls: TLS };
  const given: Renewal[] = [];
  const lines: Record<string, unknown>[] = [];
  const server = {
    inUse: () => inUse,
    async renew(renewal: Renewal) {
      given.push(renewal);
      await sleep(1);
      return silent[given.length] ?? [];
    },
  };
  const log = createLog({
    level: 'info',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const reloads = new Reloads({ settings, read, server, wallClockMs: () => NOW_MS, log });
  const events = () => lines.map(({ event }) => event);
  return { reloads, write, show, inUse, given, lines, events };
}

const signedWith = (given: readonly Renewal[]) => given.map(({ keys }) => keys.signingKey);

describe('SIGHUP', () => {
  it('has all accept the new key before one signs with it', async () => {
    const { reloads, write, given, events } = world();
    write('signing.key', NEXT);
    await reloads.all();
    expect(signedWith(given)).toEqual([OLD, NEXT]);
    expect(given[0]?.keys.verifyingKeys).toContain(NEXT);
    expect(given[1]?.keys.verifyingKeys).toEqual([OLD]);
    expect(events()).toEqual(['reloaded']);
    await reloads.all();
    expect(given).toHaveLength(2);
    expect(events()).toEqual(['reloaded', 'reload_unchanged']);
  });

  it('goes back to what was in use where a worker does not say that it accepts the new key', async () => {
    const { reloads, write, given, inUse, lines } = world({ 1: [4711] });
    write('signing.key', NEXT);
    await reloads.all();
    expect(given.at(-1)).toBe(inUse);
    expect(signedWith(given)).toEqual([OLD, OLD]);
    expect(lines).toMatchObject([{ event: 'reload_refused', level: 'error' }]);
    expect(lines[0]?.['cause']).toContain('4711');
    await reloads.all();
    expect(signedWith(given)).toEqual([OLD, OLD, OLD, NEXT]);
  });

  it('names a worker that does not say that it uses the new key', async () => {
    const { reloads, write, given, lines } = world({ 2: [4711] });
    write('signing.key', NEXT);
    await reloads.all();
    expect(signedWith(given)).toEqual([OLD, NEXT]);
    expect(lines).toMatchObject([
      { event: 'reload_unconfirmed', level: 'error', worker: 4711 },
      { event: 'reloaded' },
    ]);
  });

  it('changes nothing at all where one file is no good, and says which', async () => {
    const { reloads, write, show, given, lines } = world();
    const attempts: readonly (readonly [() => void, RegExp])[] = [
      [() => write('cert.pem', OTHER_TLS.cert), /KEY_VALUES_MISMATCH/],
      [() => write('cert.pem', TLS.cert + OTHER_TLS.cert.slice(0, 20)), /breaks off/],
      [() => write('other.key', ''), /other\.key is empty/],
      [() => write('other.key', '-----BEGIN PUBLIC KEY-----\nMFkw\n'), /PEM document/],
    ];
    write('signing.key', NEXT);
    for (const [spoil, why] of attempts) {
      spoil();
      await reloads.all();
      expect(lines.at(-1)).toMatchObject({ event: 'reload_refused', level: 'error' });
      expect(lines.at(-1)?.['cause']).toMatch(why);
      show(TLS);
      write('other.key', OLD);
    }
    expect(given).toEqual([]);
  });

  it('takes no file that is being written', async () => {
    const { reloads, write, given, lines } = world();
    write('signing.key', NEXT.slice(0, 40));
    const reloading = reloads.all();
    // Reading comes first, and takes no time that others could have.
    await sleep(1);
    write('signing.key', NEXT);
    await reloading;
    expect(given).toEqual([]);
    expect(lines[0]?.['cause']).toMatch(/signing\.key is being written/);
    await reloads.all();
    expect(signedWith(given)).toEqual([OLD, NEXT]);
  });

  it('in a row is answered in a row', async () => {
    const { reloads, write, given, events } = world();
    write('signing.key', NEXT);
    await Promise.all([reloads.all(), reloads.all(), reloads.certificate()]);
    expect(signedWith(given)).toEqual([OLD, NEXT]);
    expect(events()).toEqual(['reloaded', 'reload_unchanged']);
  });
});

describe('a renewed certificate', () => {
  it('is taken with the keys in use, though the key files say something else by now', async () => {
    const { reloads, write, show, given, events } = world();
    write('signing.key', NEXT);
    show(OTHER_TLS);
    await reloads.certificate();
    expect(given).toMatchObject([{ keys: { signingKey: OLD }, tls: OTHER_TLS }]);
    expect(events()).toEqual(['reloaded']);
  });

  it('that can not be used is told once, tried at each look, and told again once it was well between', async () => {
    const { reloads, write, show, given, events } = world();
    for (let look = 0; look < 3; look++) {
      write('cert.pem', OTHER_TLS.cert);
      await reloads.certificate();
    }
    expect(events()).toEqual(['certificate_refused']);
    show(TLS);
    await reloads.certificate();
    write('cert.pem', OTHER_TLS.cert);
    await reloads.certificate();
    expect(events()).toEqual(['certificate_refused', 'certificate_refused']);
    show(OTHER_TLS);
    await reloads.certificate();
    expect(given).toHaveLength(1);
    expect(events().at(-1)).toBe('reloaded');
  });
});
