import { afterAll, beforeAll } from 'vitest';
import { migratedDatabase } from './migrated-database.js';
import type { RefreshOutcome, TokenService } from '../../src/rotation/outcomes.js';
import { createUsers, query, type FreshDatabase, type TableOptions } from './postgres.js';
import { grantedRole, type GrantedRole } from './granted-role.js';
import { startInstance, type Instance, type InstanceOptions } from './rotation.js';
import { decodeToken, insertOutstanding, mintRefresh, type MintOptions, type MintedToken } from './tokens.js';

/** Set to 1: instances connect as a role that has exactly what `migrate grants` prints. */
export const AS_GRANTED_ROLE = 'CARELINK_TEST_GRANTED_ROLE';

export interface RotationWorld {
  readonly url: string;
  start(options?: InstanceOptions): Promise<Instance>;
  /** A token with its row, of a user of its own unless one is given. */
  login(options?: MintOptions): Promise<MintedToken>;
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
}

/** A migrated database of the file's own and the instances it starts; all is taken down after the last test. */
export function rotationWorld({
  notify = false,
  ...options
}: TableOptions & { readonly notify?: boolean } = {}): RotationWorld {
  let database: FreshDatabase;
  let role: GrantedRole | undefined;
  const open: Instance[] = [];
  beforeAll(async () => {
    database = await migratedDatabase({ ...options, notify });
    if (process.env[AS_GRANTED_ROLE] === '1') role = await grantedRole(database.url);
  });
  afterAll(async () => {
    await Promise.all(open.map((instance) => instance.close()));
    await role?.drop();
    await database.drop();
  });
  return {
    get url() {
      return database.url;
    },
    async start(instanceOptions) {
      const instance = await startInstance(role?.url ?? database.url, instanceOptions);
      open.push(instance);
      return instance;
    },
    async login(mint = {}) {
      const [userId = 1] = mint.userId === undefined ? await createUsers(database.url, 1) : [mint.userId];
      const token = mintRefresh({ userId, ...mint });
      await insertOutstanding(database.url, [token]);
      return token;
    },
    sql: (text, values) => query(database.url, text, values),
  };
}

/**
 * Refreshes as a client does: a 503 says that the same token is to be repeated. A lane that has met a dead database
 * rests up to half a second, which is longer than the short deadlines that tests give a request.
 */
export async function refreshUntilAnswered(service: TokenService, token: string): Promise<RefreshOutcome> {
  for (let tries = 1; ; tries++) {
    const outcome = await service.refresh(token);
    if (outcome.kind !== 'unavailable' || tries === MAX_REPEATS) return outcome;
  }
}

/** A bound against hanging only. */
const MAX_REPEATS = 100;

/** The pair of a rotation, with the new refresh token's id; throws on any other outcome. */
export function rotated(outcome: RefreshOutcome) {
  if (outcome.kind !== 'rotated') throw new Error(`expected a rotation, got ${outcome.kind}`);
  return { ...outcome, jti: decodeToken(outcome.refresh).claims['jti'] as string };
}
