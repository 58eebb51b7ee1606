import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { run } from '../cli/run.js';
import { grantedRole } from '../support/granted-role.js';
import { createUsers } from '../support/postgres.js';
import { AS_GRANTED_ROLE } from '../support/rotation-world.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens, TEST_SIGNING_KEY } from '../support/tokens.js';

// All that these suites hold of refreshes, reuse, log-outs and claims in Redis, as that role.
process.env[AS_GRANTED_ROLE] = '1';
await import('./rotation.test.js');
await import('./rotation-reuse.test.js');
await import('./rotation-deadline.test.js');
await import('./outbox.test.js');
afterAll(() => {
  process.env[AS_GRANTED_ROLE] = '';
});

describe.skipIf(services().postgres === undefined)('bench', () => {
  it('measures a server whose role has exactly the rights that are printed', async () => {
    const database = await migratedDatabase({ identity: false });
    const role = await grantedRole(database.url, ['serve']);
    const directory = mkdtempSync(join(tmpdir(), 'carelink-granted-'));
    const server = await startServer({ databaseUrl: role.url });
    try {
      const tokens = join(directory, 'tokens.txt');
      const issued = await issueTokens(database.url, await createUsers(database.url, 10));
      writeFileSync(tokens, issued.map(({ token }) => token).join('\n'));
      const { stdout } = await run(
        ['bench', server.url, '--admin-url', server.adminUrl, '--tokens', tokens, '--users', '10', '--json',
          '--duration', '5s', '--warmup', '1s'],
        { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
      ); // prettier-ignore
      const { kpis } = JSON.parse(stdout) as { kpis: { id: string; verdict: string }[] };
      expect(kpis.find(({ id }) => id === 'background')).toMatchObject({ verdict: 'pass' });
      expect(kpis.find(({ id }) => id === 'db_queries')).toMatchObject({ verdict: 'pass' });
    } finally {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
      await role.drop();
      await database.drop();
    }
  });
});
