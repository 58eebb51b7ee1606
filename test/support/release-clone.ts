import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A repository of its own with the files as they are here, committed or not, on main; and scripts/release.mjs run in it. */
export class ReleaseClone {
  readonly path = mkdtempSync(join(tmpdir(), 'carelink-release-'));

  constructor() {
    const listing = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const files = execFileSync('git', listing, { cwd: ROOT, encoding: 'utf8' }).split('\0');
    for (const file of files.filter((name) => name !== '' && existsSync(join(ROOT, name))))
      cpSync(join(ROOT, file), join(this.path, file), { recursive: true });
    this.git('init', '--quiet', '--initial-branch', 'main');
    symlinkSync(join(ROOT, 'node_modules'), join(this.path, 'node_modules'));
    this.write('.git/info/exclude', 'node_modules\n');
    this.git('add', '--all');
    this.git('commit', '--quiet', '--message', 'All of it');
  }

  git(...args: string[]): string {
    const self = ['-c', 'user.name=T', '-c', 'user.email=t@example.org'];
    return execFileSync('git', [...self, ...args], { cwd: this.path, encoding: 'utf8' }).trim();
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.path, file), text);
  }

  has(file: string): boolean {
    return existsSync(join(this.path, file));
  }

  /** Gives the changelog the section that a release needs. Returns the version. */
  makeReady(): string {
    const { version } = JSON.parse(this.read('package.json')) as { version: string };
    const log = this.read('CHANGELOG.md');
    if (!log.includes(`## [${version}] - `))
      this.write('CHANGELOG.md', log.replace('## [Unreleased]', `## [${version}] - 2026-12-01`));
    this.git('commit', '--quiet', '--all', '--allow-empty', '--message', `Release ${version}`);
    return version;
  }

  release(...args: string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/release.mjs', ...args], {
      cwd: this.path,
      // What would go to a registry fails.
      env: {
        ...process.env,
        GIT_COMMITTER_NAME: 'T',
        GIT_COMMITTER_EMAIL: 't@example.org',
        npm_config_offline: 'true',
      },
      encoding: 'utf8',
    });
    return { status, stdout, stderr, faults: stderr.split('\n').filter((line) => line.startsWith('- ')) };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
