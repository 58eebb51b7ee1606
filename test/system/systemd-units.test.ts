/** The units of deploy/systemd: as systemd reads them, and one of them under a systemd that runs. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLEANUP_OPTIONS } from '../../src/config/cleanup-options.js';
import { variableOf } from '../../src/config/option.js';
import { SERVE_OPTIONS } from '../../src/config/serve-options.js';
import { freePort } from '../support/free-port.js';
import { migratedDatabase } from '../support/migrated-database.js';
import type { FreshDatabase } from '../support/postgres.js';
import { BIN } from '../support/server.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const support = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url));

const UNITS = 'deploy/systemd';
const INSTALLED = '/opt/carelink-tokens/current/node_modules/.bin/carelink-tokens';
const names = readdirSync(UNITS);
const ofServices = names.filter((name) => name.endsWith('.service'));
const read = (name: string): string => readFileSync(join(UNITS, name), 'utf8');
const analyze = services().systemdAnalyze;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'carelink-units-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the units of deploy/systemd', () => {
  it.skipIf(analyze === undefined)('are right to systemd-analyze verify', () => {
    // Where they are installed there is the command.
    for (const name of names)
      writeFileSync(join(directory, name), read(name).replaceAll(INSTALLED, process.execPath));
    const { status, stderr } = spawnSync(
      analyze!,
      ['verify', '--man=no', ...names.map((name) => join(directory, name))],
      { encoding: 'utf8' },
    );
    expect([status, stderr.trim()]).toEqual([0, '']);
  });

  it.skipIf(analyze === undefined).each(ofServices)(
    '%s may do so little that its exposure is under 2',
    (name) => {
      const { status, stdout } = spawnSync(
        analyze!,
        ['security', '--offline=yes', '--threshold=20', '--no-pager', join(UNITS, name)],
        { encoding: 'utf8' },
      );
      const [, exposure] = /Overall exposure level for \S+: (\d+\.\d+)/.exec(stdout) ?? [];
      expect([status, Number(exposure) < 2]).toEqual([0, true]);
    },
  );

  it.each(ofServices)('%s gives the command flags and variables that it knows', (name) => {
    const table = name.includes('cleanup') ? CLEANUP_OPTIONS : SERVE_OPTIONS;
    const known = Object.keys(table);
    const [, words = ''] = new RegExp(`^ExecStart=${INSTALLED} (.*)$`, 'm').exec(read(name)) ?? [];
    expect(words).toMatch(name.includes('cleanup') ? /^cleanup / : /^serve/);
    for (const [, flag] of words.matchAll(/--([a-z-]+)/g)) expect(known).toContain(flag);
    const variables = [...read(name).matchAll(/^Environment=(CARELINK_\w+)=/gm)].map(
      ([, variable]) => variable,
    );
    expect(variables.length).toBeGreaterThan(0);
    for (const variable of variables) expect(known.map(variableOf)).toContain(variable);
  });
});

/**
 * What a user manager in a container can't do: mounts, other users, and with them credentials. What is left is the larger
 * part: the notifications, the watchdog, capabilities, the filter of system calls, address families.
 */
const LEFT_OUT = [
  'ProcSubset=all', 'ProtectProc=default',
  ...['PrivateUsers', 'PrivateDevices', 'PrivateIPC', 'PrivateTmp', 'ProtectSystem', 'ProtectHome', 'ProtectHostname',
    'ProtectKernelTunables', 'ProtectKernelModules', 'ProtectKernelLogs', 'ProtectControlGroups', 'ProtectClock',
  ].map((name) => `${name}=no`),
  'User=', 'Group=', 'LoadCredential=',
]; // prettier-ignore

describe.skipIf(services().postgres === undefined)('under a systemd that runs', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
  });
  afterAll(() => database.drop());

  it('the unit starts, reloads, is started again when it hangs, and stops', async ({ skip }) => {
    const units = join(directory, 'running');
    const log = join(directory, 'log');
    mkdirSync(join(units, 'carelink-tokens.service.d'), { recursive: true });
    writeFileSync(join(units, 'carelink-tokens.service'), read('carelink-tokens.service'));
    writeFileSync(join(directory, 'signing.key'), TEST_SIGNING_KEY, { mode: 0o600 });
    writeFileSync(join(directory, 'carelink.env'), `DATABASE_URL=${database.url}\n`, { mode: 0o600 });
    const [port, adminPort] = [await freePort(), await freePort()];
    writeFileSync(
      join(units, 'carelink-tokens.service.d/test.conf'),
      [
        '[Service]',
        ...LEFT_OUT,
        'ExecStart=',
        `ExecStart=${process.execPath} ${BIN} serve --port ${port} --admin-port ${adminPort}`,
        `Environment=CARELINK_ENV_FILE=${join(directory, 'carelink.env')}`,
        `Environment=CARELINK_SIGNING_KEY_FILE=${join(directory, 'signing.key')}`,
        'WatchdogSec=2s',
        'RestartSec=100ms',
        `StandardOutput=append:${log}`,
        `StandardError=append:${log}`,
        '',
      ].join('\n'),
    );
    const { status, stdout, stderr } = spawnSync(
      support('with-systemd.sh'),
      [units, support('unit-life.sh'), log],
      { encoding: 'utf8' },
    );
    // A container without the right to namespaces: verify and security have looked at it.
    if (status === 77) skip();
    expect(stdout.trim().split('\n'), stderr + stdout).toEqual([
      `start 0 active serving at http://127.0.0.1:${port}`,
      `reload 0 active serving at http://127.0.0.1:${port}`,
      'alive 0 active',
      'hung 1 active another',
      'stop 0 inactive success',
    ]);
    const events = readFileSync(log, 'utf8');
    expect(events).toContain('"reload_unchanged"');
    expect(events).not.toContain('service_manager_not_told');
  });
});
