import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeTypedProgram } from '../support/typed-program.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Locked {
  readonly dev?: boolean;
}

const consumer = mkdtempSync(join(tmpdir(), 'carelink-consumer-'));

/** A project that has installed this package and node's types, and so what the package itself depends on. */
beforeAll(() => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const installed = Object.keys(packages).filter(
    (path) =>
      /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) &&
      (packages[path]?.dev !== true || /\/(@types\/node|undici-types)$/.test(path)),
  );
  for (const path of installed) {
    mkdirSync(dirname(join(consumer, path)), { recursive: true });
    symlinkSync(join(ROOT, path), join(consumer, path));
  }
  const own = join(consumer, 'node_modules/carelink-tokens');
  mkdirSync(own);
  for (const part of ['dist', 'package.json']) cpSync(join(ROOT, part), join(own, part), { recursive: true });
});

afterAll(() => rmSync(consumer, { recursive: true }));

it('the types compile in a project that has nothing but this package, its library checks on', () => {
  writeTypedProgram(consumer, { preserveSymlinks: true });
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', consumer], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

it('the package has the types of each of its entries', () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Readonly<Record<string, string | { readonly types: string }>>;
  };
  const types = Object.values(exports).flatMap((to) => (typeof to === 'string' ? [] : [to.types]));
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const [{ files }] = JSON.parse(stdout) as [{ files: readonly { readonly path: string }[] }];
  expect(types.length).toBeGreaterThan(3);
  expect(files.map(({ path }) => `./${path}`)).toEqual(expect.arrayContaining(types));
});
