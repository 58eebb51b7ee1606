/** The tutorial as a new user follows it: its commands in their order, in one shell, and what each prints held against the page. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { startServer } from '../support/server.js';

const PAGE = readFileSync(new URL('../../docs/tutorial.md', import.meta.url), 'utf8');
const STEPS = [...PAGE.matchAll(/```sh\n([^]+?)```\n\n```\w*\n([^]*?)```/g)].map(
  ([, command = '', output = '']) => ({ command, output: output.trimEnd() }),
);
/** Between what one command prints and the next one does. */
const CUT = '--- next step ---';

it('docs/tutorial.md does what it says, in the order of its steps', async () => {
  expect(STEPS.length).toBeGreaterThan(5);
  // A key of the server's own: only then it prints a sample token.
  const server = await startServer({ env: { CARELINK_SIGNING_KEY: '' } });
  const folder = mkdtempSync(join(tmpdir(), 'carelink-tutorial-'));
  try {
    const script = STEPS.map(({ command }) => command)
      .join(`\necho; echo '${CUT}'\n`)
      .replaceAll('http://127.0.0.1:8000', server.url)
      .replaceAll('http://127.0.0.1:9464', server.adminUrl);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: folder,
      env: {
        PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
        REFRESH: server.sampleRefresh,
      },
    });
    const printed = stdout.split(`${CUT}\n`).map((text) => text.trim());
    expect(printed.map((text) => text.replace(/eyJ[\w.-]+/g, 'eyJ…'))).toEqual(
      STEPS.map(({ output }) => output),
    );
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
});
