import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { inspect } from 'node:util';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PasswordSource } from '../../../src/store/password-source.js';

describe('a password that is fetched', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'cl-password-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const fileOf = (text: string | Buffer): string => {
    const path = join(directory, `file-${Math.random()}`);
    writeFileSync(path, text);
    return path;
  };
  const node = (script: string, ...args: string[]) =>
    new PasswordSource({ kind: 'command', argv: [process.execPath, '-e', script, '--', ...args] });
  /** One that is fetched each time: time goes on by an hour a call. */
  const anew = (path: string) => {
    let hours = 0;
    return new PasswordSource({ kind: 'file', path }, () => 3_600_000 * hours++);
  };

  it('is the file without its last line end, and another one when the file is', async () => {
    const path = fileOf('  p#ss w"rd\r\n');
    const source = anew(path);
    expect(await source.fetch()).toBe('  p#ss w"rd');
    writeFileSync(path, 'next');
    expect(await source.fetch()).toBe('next');
  });

  it('is remembered for a moment, and not when the server has refused it', async () => {
    const path = fileOf('old');
    const source = new PasswordSource({ kind: 'file', path }, () => 0);
    expect(await source.fetch()).toBe('old');
    writeFileSync(path, 'new');
    expect(await source.fetch()).toBe('old');
    source.refused();
    expect(await source.fetch()).toBe('new');
  });

  it('is what a command prints, whose arguments no shell reads', async () => {
    const source = node('console.log(process.argv.slice(1).join("|"))', '$HOME', '`id`', 'a b', ';');
    expect(await source.fetch()).toBe('$HOME|`id`|a b|;');
  });

  it('is fetched once for all who ask at the same time', async () => {
    const log = join(directory, 'asked');
    const source = node('require("fs").appendFileSync(process.argv[1], "x"); console.log("p")', log);
    expect(await Promise.all(Array.from({ length: 8 }, () => source.fetch()))).toEqual(Array(8).fill('p'));
    expect(readFileSync(log, 'utf8')).toBe('x');
  });

  it('that can not be fetched is told with the option, and with nothing of what was read', async () => {
    const missing = join(directory, 'missing');
    const cases: [PasswordSource, RegExp][] = [
      [anew(missing), /^the file .*missing of --database-password-file can't be read \(ENOENT\)$/],
      [anew(directory), /--database-password-file can't be read \(EISDIR\)$/],
      [anew(fileOf('\n')), /--database-password-file holds nothing$/],
      [anew(fileOf('hush\nhush')), /--database-password-file holds more than one line$/],
      [anew(fileOf(Buffer.alloc(70_000, 104))), /--database-password-file is larger than 64 kB$/],
      [
        node('console.log("hush"); process.exit(3)'),
        /^--database-password-command \(.*node.*\) ended with exit code 3$/,
      ],
      [node('console.log("hush".repeat(50_000))'), /printed more than 64 kB$/],
      [node(''), /--database-password-command \(.*\) holds nothing$/],
      [
        new PasswordSource({ kind: 'command', argv: ['no-such-program-here'] }),
        /^--database-password-command \(no-such-program-here\) can't be run \(ENOENT\)$/,
      ],
    ];
    for (const [source, told] of cases) {
      const error = await source.fetch().then(String, (one: unknown) => one as Error);
      expect(error).toMatchObject({ name: 'PasswordUnavailableError', message: expect.stringMatching(told) });
      expect(inspect(error)).not.toContain('hush');
    }
  });
});
