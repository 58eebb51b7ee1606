/** scripts/release.mjs, run in a clone of what is here. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReleaseClone } from '../support/release-clone.js';

describe('a release', () => {
  let clone: ReleaseClone;
  beforeAll(() => {
    clone = new ReleaseClone();
  });
  afterAll(() => clone.remove());

  it('is refused with all reasons, and nothing is made', () => {
    clone.git('switch', '--quiet', '--create', 'topic');
    clone.git('tag', 'v9.9.9');
    clone.write('left-over', '');
    const { status, faults } = clone.release('9.9.9');
    expect(status).toBe(1);
    for (const reason of [
      'You are on topic.',
      'not committed',
      'The tag v9.9.9 is there already.',
      'CHANGELOG.md has no section `## [9.9.9] - YYYY-MM-DD`',
      'package.json says',
      'package-lock.json says',
      'Chart.yaml, version says',
      'Chart.yaml, appVersion says',
      'deploy/kubernetes/tokens.yaml says',
      'docs/debian.md says',
    ])
      expect(faults).toContainEqual(expect.stringContaining(reason));
    const manifest = JSON.parse(clone.read('package.json')) as Record<string, unknown>;
    for (const name of ['repository', 'homepage', 'bugs'])
      expect(faults.some((fault) => fault.includes(`package.json has no "${name}"`))).toBe(
        !(name in manifest),
      );
    expect(clone.has('release')).toBe(false);
    rmSync(join(clone.path, 'left-over'));
    clone.git('tag', '--delete', 'v9.9.9');
    clone.git('switch', '--quiet', 'main');
    expect(clone.release('next').stderr).toContain('Name the version');
  });

  it('is packed with its chart, bill of materials and checksums, and tagged', () => {
    const version = clone.makeReady();
    const made = clone.release(version, '--allow-missing-links');
    expect([made.status, made.faults]).toEqual([0, []]);
    expect(made.stdout).toContain(`npm publish release/${version}/carelink-tokens-${version}.tgz`);
    expect(clone.git('rev-parse', `v${version}^{commit}`)).toBe(clone.git('rev-parse', 'HEAD'));

    const folder = join(clone.path, 'release', version);
    expect(clone.read(`release/${version}/SHA256SUMS`).match(/\S+$/gm)).toEqual([
      'NOTES.md',
      `carelink-tokens-${version}.cdx.json`,
      `carelink-tokens-${version}.tgz`,
      `carelink-tokens-chart-${version}.tgz`,
      `carelink-tokens-client-${version}.tgz`,
    ]);
    execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
    expect(clone.read(`release/${version}/NOTES.md`)).toMatch(/^### /);
    const packed = (archive: string, file: string): string =>
      execFileSync('tar', ['-xzOf', join(folder, archive), file], { encoding: 'utf8' });
    const program = `carelink-tokens-${version}.tgz`;
    expect(JSON.parse(packed(program, 'package/package.json'))).toMatchObject({ version });
    expect(JSON.parse(packed(program, 'package/dist/build.json'))).toEqual({
      commit: clone.git('rev-parse', 'HEAD'),
    });
    const client = packed(`carelink-tokens-client-${version}.tgz`, 'package/package.json');
    expect(JSON.parse(client)).toMatchObject({ name: '@carelink-tokens/client', version });
    const chart = `carelink-tokens-chart-${version}.tgz`;
    expect(packed(chart, 'carelink-tokens/Chart.yaml')).toContain(version);

    expect(clone.git('status', '--porcelain')).toBe('');
    expect(clone.release(version, '--allow-missing-links').faults).toEqual([
      expect.stringContaining(`The tag v${version} is there already.`),
    ]);
  });
});
