import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const bin = fileURLToPath(new URL('../../bin/carelink-tokens.js', import.meta.url));

/** What an operator runs once: `carelink-tokens migrate`, with these flags. */
export async function migrateDatabase(url: string, ...flags: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [bin, 'migrate', '--database-url', url, ...flags]);
}
