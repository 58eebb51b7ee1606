import {
  StoreUnavailableError,
  type StateQuery,
  type TokenState,
  type TokenStore,
} from '../rotation/ports.js';
import type { Revocations } from '../rotation/revocation-ports.js';
import { encodable } from './encoding.js';
import type { PgReissues } from './reissues.js';
import type { SiteSchema } from './schema.js';
import { fittingUserKey } from './user-key.js';

/** A site without the blacklist app: of a token nothing is stored, of its user what the database says. */
export class TablelessStore implements TokenStore {
  readonly #schema: SiteSchema;
  readonly #users: PgReissues;
  readonly #nowUs: () => number;

  /** @param users asks about users, and not for refreshes */
  constructor(schema: SiteSchema, users: PgReissues, nowUs: () => number) {
    this.#schema = schema;
    this.#users = users;
    this.#nowUs = nowUs;
  }

  canHold(text: string): boolean {
    return encodable(this.#schema.encoding, text);
  }

  canonicalUserKey(userKey: string): string | undefined {
    return fittingUserKey(this.#schema, userKey);
  }

  takes(): boolean {
    return true;
  }

  claim(): Promise<never> {
    return Promise.reject(new Error('a claim where there are no token tables'));
  }

  async readState(
    { jti, userKey, startSeconds, passwordHash }: StateQuery,
    deadlineMs: number,
  ): Promise<TokenState> {
    const query = { jti, userKey, startSeconds, passwordHash, issuedAtUs: 0, successor: undefined };
    const { standing } = await this.#users.judge(query, deadlineMs);
    if (standing === 'unavailable' || standing === 'blacklisted')
      throw new StoreUnavailableError('there are token tables after all');
    return { row: undefined, successor: undefined, standing, readAtUs: this.#nowUs() };
  }
}

/** Nothing is there to be revoked by token. */
export const NO_TABLES_TO_REVOKE_IN: Revocations = {
  find: () => Promise.resolve([]),
  liveTokensOf: () => Promise.resolve([]),
  openRowsOf: () => Promise.resolve([]),
  as: () => ({
    ...NO_TABLES_TO_REVOKE_IN,
    blacklist: () => Promise.resolve('now'),
    blacklistRows: () => Promise.resolve({ won: new Set(), perhaps: false }),
    blacklistOpen: () => Promise.resolve(0),
    revokeUser: () => Promise.resolve(0),
    finishRevocation: () => Promise.resolve(0),
  }),
};
