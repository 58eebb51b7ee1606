import type { ServeSettings } from '../config/settings.js';
import type { KeySettings, TokenSettings } from '../config/parts.js';
import {
  attempt,
  judgeToken,
  readSampleRows,
  tellNobody,
  tellSamples,
  type Reading,
  type SampleRow,
  type SampleRules,
  type TokenSample,
} from '../doctor/index.js';
import { createCodec } from '../jwt/create-codec.js';
import type { Log } from '../observe/log.js';
import type { DatabaseClock } from '../rotation/ports.js';
import { askOf, type Database } from '../store/database.js';
import type { TokenSchema } from '../store/schema.js';
import { readStandings } from '../store/standings.js';
import { userKeyTypeOf } from '../store/user-key.js';

/** What tokens of the table are held against. */
export interface SampleSettings {
  readonly keys: KeySettings;
  readonly tokens: TokenSettings;
  /** Undefined: there is none that could be used. */
  readonly signingKey: string | undefined;
  /** Undefined: it could not be read; then no user is looked at. */
  readonly schema: TokenSchema | undefined;
  readonly nowUs: number;
}

/**
 * Runs rows of the token table through what a refresh runs. Where users can't be asked about, tokens are judged
 * without.
 */
export async function judgeSamples(
  database: Database,
  rows: readonly SampleRow[],
  settings: SampleSettings,
): Promise<readonly TokenSample[]> {
  const { schema } = settings;
  const rules = await rulesOf(settings);
  const judged = await Promise.all(rows.map((row) => judgeToken(row, rules)));
  if (schema === undefined || judged.length === 0) return judged.map(({ sample }) => sample);
  const isLookedUpByOwner = schema.users?.keyColumn === schema.users?.primaryColumn;
  const asked = judged.map(({ sample: { startSeconds }, userKey, passwordHash }) => ({
    userKey,
    startSeconds,
    passwordHash,
  }));
  const standings = await attempt(() => readStandings(askOf(database), schema, asked));
  if ('why' in standings) return judged.map(({ sample }) => sample);
  return judged.map(({ sample, userKey }, at) => {
    const standing = standings.value[at];
    const owner = rows[at]?.user_id ?? undefined;
    if (isLookedUpByOwner && owner !== undefined && userKey !== undefined && owner !== userKey) {
      return { ...sample, fate: 'user_other' };
    }
    if (sample.fate !== 'accepted' || standing === undefined) return sample;
    return { ...sample, fate: FATES[standing] };
  });
}

const FATES = {
  good: 'accepted',
  gone: 'inactive',
  inactive: 'inactive',
  password_changed: 'password_changed',
  revoked: 'revoked',
  claims_unfit: 'claims_unfit',
} as const;

async function rulesOf({ keys, tokens, signingKey, schema, nowUs }: SampleSettings): Promise<SampleRules> {
  const { audience, issuer, leewaySeconds, maxTokenBytes, names } = tokens;
  const codecOf = async (claims: Pick<TokenSettings, 'audience' | 'issuer'>) => {
    const made = await attempt(() =>
      createCodec({ ...keys, ...claims, leewaySeconds, maxTokenBytes, signingKey: signingKey ?? '' }),
    );
    return 'value' in made ? made.value.codec : undefined;
  };
  return {
    codec: await codecOf({ audience, issuer }),
    signatures: await codecOf({ audience: [], issuer: undefined }),
    algorithm: keys.algorithm,
    issuer,
    names,
    userKeyType: schema?.userKeyType ?? userKeyTypeOf('text'),
    encoding: schema?.encoding ?? 'UTF8',
    nowUs,
  };
}

/** Few, since a start waits for them; and some from further back, for two applications may share the tables. */
const AT_START = { newest: 8, further: 2 };

/**
 * Warns at the start where the newest tokens of the table would all be refused: a wrong key, algorithm, audience or claim
 * name. One statement, or two where users are checked. The start goes on, whatever comes of it.
 */
export async function tellRefusedSamples(
  settings: ServeSettings,
  signingKey: string,
  { database, schema, clock }: { database: Database; schema: TokenSchema; clock: DatabaseClock },
  log: Log,
): Promise<void> {
  if (settings.database.kind === 'embedded') return;
  const { keys, tokens } = settings;
  const read: Reading<readonly TokenSample[]> = await attempt(async () => {
    const rows = await readSampleRows(database, schema, AT_START);
    return judgeSamples(database, rows, { keys, tokens, signingKey, schema, nowUs: clock.nowUs() });
  });
  // What keeps it from reading keeps refreshes from it too, and is told by health.
  if ('why' in read) return;
  const cause = tellSamples(read.value, {
    algorithm: keys.algorithm,
    audience: tokens.audience,
    issuer: tokens.issuer,
    names: tokens.names,
  });
  if (cause !== undefined) log.warn('samples_refused', { count: read.value.length, cause });
  const unnamed = tellNobody(read.value, tokens);
  if (unnamed !== undefined) log.warn('samples_name_nobody', { count: read.value.length, cause: unnamed });
}
