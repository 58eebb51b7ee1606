/** What is answered once a password has changed (CHECK_REVOKE_TOKEN), told in order: some cases come twice. */
import { query } from '../../support/postgres.js';
import { insertOutstanding, mintRefresh, type MintedToken } from '../../support/tokens.js';
import { json, send } from '../http.js';
import { REFRESH, SLIDING } from './case.js';
import { nowSeconds } from './world.js';
import type { NormalReply } from './normal.js';
import type { Reply } from '../http.js';

type Given = 'fresh' | 'changed' | 'absent' | 'null' | 'a number' | 'small letters';

interface Subject {
  readonly userId: number;
  readonly hash: string;
}

/** Makes a user, and tells the hash of the password. */
async function user(database: string, active = true): Promise<Subject> {
  const [row] = await query<Subject>(
    database,
    `INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined)
     VALUES (gen_random_uuid(), gen_random_uuid(), false, '', '', '', false, $1, now())
     RETURNING id AS "userId", upper(md5(password)) AS hash`,
    [active],
  );
  return row!;
}

const CLAIM: Readonly<Record<Given, (hash: string) => unknown>> = {
  fresh: (hash) => hash,
  changed: () => 'D41D8CD98F00B204E9800998ECF8427E',
  absent: () => undefined,
  null: () => null,
  'a number': () => 7,
  'small letters': (hash) => hash.toLowerCase(),
};

/** Every reply by its name. `normal` takes off what differs between two servers anyway. */
export async function passwordReplies(
  database: string,
  url: () => string,
  normal: (reply: Reply) => NormalReply,
  { app }: { readonly app: boolean } = { app: true },
): Promise<Record<string, NormalReply>> {
  const replies: Record<string, NormalReply> = {};
  for (const [path, field, tokenType] of [
    [REFRESH, 'refresh', 'refresh'],
    [SLIDING, 'token', 'sliding'],
  ] as const) {
    const ask = async (name: string, token: MintedToken) => {
      const reply = normal(await send(url(), json(path, { [field]: token.token })));
      // The claims hold this user's id and hash, which are another's on the other side.
      replies[`${path} ${name}`] = reply.status === 200 ? { ...reply, body: null } : reply;
    };
    const mint = async ({ userId, hash }: Subject, given: Given) => {
      const claims = {
        hash_password: CLAIM[given](hash),
        ...(tokenType === 'sliding' ? { refresh_exp: nowSeconds() + 3_600 } : {}),
      };
      const token = mintRefresh({ userId, tokenType, lifetimeSeconds: 900, claims });
      if (app) await insertOutstanding(database, [token]);
      return token;
    };
    for (const given of Object.keys(CLAIM) as Given[]) {
      const token = await mint(await user(database), given);
      await ask(`hash ${given}`, token);
      if (given !== 'fresh') await ask(`hash ${given}, the second time`, token);
    }
    await ask('hash changed, of an inactive user', await mint(await user(database, false), 'changed'));
    if (!app) continue;
    const blacklisted = await mint(await user(database), 'changed');
    await query(
      database,
      `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
       SELECT id, now() FROM token_blacklist_outstandingtoken WHERE jti = $1`,
      [blacklisted.jti],
    );
    await ask('hash changed, blacklisted', blacklisted);
  }
  return replies;
}
