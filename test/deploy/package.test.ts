/** What is published, and the list of what it is made of. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly man: readonly string[];
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;

function npm(args: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync('npm', args, { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, expect.anything()]);
  return JSON.parse(stdout);
}

describe('the package', () => {
  it('has what is needed, and no more', () => {
    const [{ files }] = npm(['pack', '--dry-run', '--json', '--ignore-scripts']) as [
      { files: { path: string; size: number }[] },
    ];
    const paths = files.map(({ path }) => path);

    // All that package.json and the code point at.
    const pointed = [
      ...Object.values(manifest.bin),
      ...manifest.man,
      ...Object.values(manifest.exports).flatMap((to) => (typeof to === 'string' ? to : Object.values(to))),
    ]
      .map((path) => path.replace(/^\.\//, ''))
      // Types are made when it is packed; test/system/package-types.test.ts looks for them.
      .filter((path) => !path.endsWith('.d.ts'));
    for (const path of [...pointed, 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/build.json'])
      expect(paths).toContain(path);
    for (const name of readdirSync('migrations')) expect(paths).toContain(`migrations/${name}`);
    for (const name of readdirSync('deploy/systemd')) expect(paths).toContain(`deploy/systemd/${name}`);

    const known =
      /^(bin|dist|migrations|deploy|docs|examples)\/|^(README|CHANGELOG|SECURITY|CONTRIBUTING|benchmarks\/README)\.md$|^LICENSE$|^package\.json$/;
    expect(paths.filter((path) => !known.test(path))).toEqual([]);
    // Maps lead to sources that are not there, and were a third of it.
    expect(paths.filter((path) => /\.map$|\.tsbuildinfo$|(^|\/)test/.test(path))).toEqual([]);
    expect(paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))).toEqual([]);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeLessThan(4_000_000);
  });

  it('needs no script when it is installed, nor do the packages that it depends on', () => {
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Readonly<Record<string, { readonly dev?: boolean; readonly hasInstallScript?: boolean }>>;
    };
    const scripted = Object.entries(packages).filter(
      ([, { dev, hasInstallScript }]) => dev !== true && hasInstallScript === true,
    );
    expect(scripted).toEqual([]);
  });

  it('has a bill of materials in CycloneDX: each package that it runs with, by name, version and hash', () => {
    interface Component {
      readonly name: string;
      readonly version: string;
      readonly purl: string;
      readonly hashes?: readonly unknown[];
      readonly licenses?: readonly unknown[];
    }
    const bill = npm(['run', '--silent', 'sbom']) as {
      bomFormat: string;
      specVersion: string;
      metadata: { component: Component };
      components: readonly Component[];
    };
    expect([bill.bomFormat, Number(bill.specVersion) >= 1.5]).toEqual(['CycloneDX', true]);
    expect(bill.metadata.component.purl).toBe(`pkg:npm/${manifest.name}@${manifest.version}`);
    const names = bill.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
    const development = Object.keys(manifest.devDependencies).filter((name) => names.includes(name));
    // Types that the declarations of pg need are there for both.
    expect(development.filter((name) => !name.startsWith('@types/'))).toEqual([]);
    for (const { name, purl, hashes, licenses } of bill.components)
      expect([name, purl.startsWith('pkg:npm/'), hashes?.length, licenses !== undefined]).toEqual([
        name,
        true,
        1,
        true,
      ]);
    // As the lock file it names no private address.
    expect(JSON.stringify(bill)).not.toMatch(/https?:\/\/(?!cyclonedx\.org)/);
  });

  it('is what the build made', () => {
    for (const path of manifest.man) expect(existsSync(path)).toBe(true);
  });
});
