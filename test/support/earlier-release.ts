import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What runs at sites before an update: servers of both work side by side while it is rolled out. */
const COMMIT = 'dee9d82';

/** Whether this checkout has it: a copy without history hasn't. */
export function hasEarlierRelease(): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${COMMIT}^{commit}`], { cwd: ROOT, stdio: 'ignore' });
    return existsSync(join(ROOT, 'node_modules'));
  } catch {
    return false;
  }
}

/** Builds it into a directory of its own, with the packages of this one; 20 s or so. */
export function buildEarlierRelease(): { readonly bin: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-earlier-'));
  const files = execFileSync('git', ['archive', COMMIT], { cwd: ROOT, maxBuffer: 1 << 30 });
  execFileSync('tar', ['-x', '-C', directory], { input: files });
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: directory, stdio: 'ignore' });
  return {
    bin: join(directory, 'bin/carelink-tokens.js'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
