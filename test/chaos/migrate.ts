import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BIN, cleanEnvironment } from '../support/server.js';

/** Runs `carelink-tokens migrate`, as an operator does before the first `serve`; rejects with what it said. */
export async function migrate(databaseUrl: string, more: readonly string[] = []): Promise<void> {
  const args = [BIN, 'migrate', '--json', '--database-url', databaseUrl, ...more];
  await promisify(execFile)(process.execPath, args, { env: cleanEnvironment() });
}
