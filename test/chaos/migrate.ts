import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Relative to the repository, wherever the tests are started from. */
const BIN = fileURLToPath(new URL('../../bin/carelink-tokens.js', import.meta.url));

/** Runs `carelink-tokens migrate`, as an operator does before the first `serve`; rejects with what it said. */
export async function migrate(databaseUrl: string, args: readonly string[] = []): Promise<void> {
  await promisify(execFile)(process.execPath, [
    BIN,
    'migrate',
    '--json',
    '--database-url',
    databaseUrl,
    ...args,
  ]);
}
