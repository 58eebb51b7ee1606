/** The pages of docs/reference say what the code says. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../../src/cli/exit-codes.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const pageOf = (name: string): string => readFileSync(join(ROOT, 'docs/reference', name), 'utf8');
const SOURCES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(ROOT, 'src', name), 'utf8'));

/** The first cells of a page's tables that are code. */
const firstCells = (page: string): string[] =>
  [...page.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, cell]) => cell!);

describe('docs/reference', () => {
  it('configuration and metrics are as `npm run docs` writes them', () => {
    // Options, groups and metrics that the pages lack are errors of the script, too.
    execFileSync(process.execPath, ['scripts/docs.mjs', '--check'], { cwd: ROOT });
  });

  it('metrics.md has every metric that the code registers', () => {
    const registered = SOURCES.flatMap((text) => [
      ...[...text.matchAll(/name: '(carelink_[a-z_]+)'/g)].map(([, name]) => name!),
      ...[...text.matchAll(/gauge\(\s*'(carelink_[a-z_]+)'/g)].map(([, name]) => name!),
    ]);
    expect(registered.length).toBeGreaterThan(40);
    expect(firstCells(pageOf('metrics.md')).sort()).toEqual([...new Set(registered)].sort());
  });

  it('metrics that other pages name are in metrics.md', () => {
    const known = new Set(firstCells(pageOf('metrics.md')));
    const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.md') && !name.startsWith('decisions'),
    );
    const named = pages.flatMap((page) =>
      [...readFileSync(join(ROOT, 'docs', page), 'utf8').matchAll(/\bcarelink_[a-z]+(?:_[a-z]+)+\b/g)].map(
        ([name]) => `${page}: ${name}`,
      ),
    );
    expect(named.length).toBeGreaterThan(60);
    expect(named.filter((one) => !known.has(one.split(': ')[1]!))).toEqual([]);
  });

  it('exit-codes.md has the exit codes, in the words of the help', () => {
    const rows = [...pageOf('exit-codes.md').matchAll(/^\| (\d+) +\| ([^|`]+?) +\|$/gm)];
    expect(Object.fromEntries(rows.map(([, code, words]) => [code, words]))).toEqual(EXIT_CODES);
  });

  it('log-events.md has each event of the log, and its levels', () => {
    const levels = new Map<string, Set<string>>();
    const call = /[lL]og(?:\.(debug|info|warn|error)|\[([^\]]+)\])\(\s*'([a-z_]+)'/g;
    for (const [, level, computed, event] of SOURCES.flatMap((text) => [...text.matchAll(call)])) {
      const all = levels.get(event!) ?? levels.set(event!, new Set()).get(event!)!;
      for (const one of level === undefined ? (computed!.match(/'\w+'/g) ?? []) : [level])
        all.add(one.replaceAll("'", ''));
    }
    // Written by hand, line by line: src/observe/access-log.ts.
    levels.set('request', new Set(['info']));
    // `severity === 'critical'` is no level.
    levels.get('alert_raised')?.delete('critical');
    const told = new Map(
      [...pageOf('log-events.md').matchAll(/^\| `([a-z_]+)` +\| ([a-z, ]+?) +\|/gm)].map(
        ([, event, cell]) => [event!, new Set(cell!.split(', '))],
      ),
    );
    expect(levels.size).toBeGreaterThan(70);
    expect(told).toEqual(levels);
  });

  it('health.md has each word that /readyz says of the database', () => {
    const union = (file: string, name: string): string =>
      new RegExp(`export type ${name} =([^;]+);`).exec(readFileSync(join(ROOT, file), 'utf8'))![1]!;
    const unions = `${union('src/store/health.ts', 'Health')}${union('src/store/errors.ts', 'Trouble')}`;
    const words = unions.replace(/\/\*[^]*?\*\//g, '');
    const section = pageOf('health.md').split('## What `database` says')[1]!;
    const missing = [...words.matchAll(/'([a-z ]+)'/g)]
      .map(([, word]) => word!)
      .filter((word) => word !== 'ok' && !section.includes(`\`${word}\``));
    expect(missing).toEqual([]);
  });
});
