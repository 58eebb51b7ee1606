/** Random table states, and an oracle that knows what may go because it knows how each row was made. */
import fc from 'fast-check';

/** The database's clock stands there, six years from now: an hour of this host's would be no use. */
export const NOW = '2032-03-01 12:34:56.789012+00';
export const RETENTION_MS = 7 * 86_400_000;
const NOW_US = BigInt(Date.parse('2032-03-01T12:34:56.789Z')) * 1000n + 12n;
const CUTOFF_US = NOW_US - BigInt(RETENTION_MS) * 1000n;
const CUTOFF_SECONDS = Number(CUTOFF_US / 1_000_000n);

export interface Row {
  /** Microseconds from the cutoff; or PostgreSQL's own words. */
  readonly expires: bigint | '-infinity' | 'infinity';
  readonly token: string;
  /** Of the JWT, as it was made: the seconds of all of its ends; undefined: not to be read for certain. */
  readonly ends: readonly number[] | undefined;
  readonly blacklisted: boolean;
  readonly userId: number | null;
  readonly createdAt: boolean;
}

/** What may go, and nothing else. */
export function mayGo({ expires, ends }: Row): boolean {
  if (expires === 'infinity' || (expires !== '-infinity' && expires > 0n)) return false;
  return ends !== undefined && ends.every((end) => BigInt(end) * 1_000_000n <= CUTOFF_US);
}

/** Text that timestamptz takes, exact to the microsecond. */
export function timestampOf(expires: Row['expires']): string {
  if (typeof expires === 'string') return expires;
  const us = CUTOFF_US + expires;
  const seconds = us / 1_000_000n;
  const rest = String(us % 1_000_000n).padStart(6, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${rest}Z`;
}

const SECOND = 1_000_000n;
const expires = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(-1n, 0n, 1n) },
  { weight: 2, arbitrary: fc.constantFrom(-SECOND, SECOND, -3600n * SECOND, 3600n * SECOND) },
  { weight: 4, arbitrary: fc.bigInt({ min: -60n * 86_400n * SECOND, max: 8n * 86_400n * SECOND }) },
  { weight: 1, arbitrary: fc.constantFrom('-infinity' as const, 'infinity' as const) },
);

/** Around the cutoff, on both sides; a whole second is at or before it, the next one after it. */
const end = fc.oneof(
  fc.constantFrom(CUTOFF_SECONDS - 1, CUTOFF_SECONDS, CUTOFF_SECONDS + 1),
  fc.integer({ min: CUTOFF_SECONDS - 90 * 86_400, max: CUTOFF_SECONDS + 30 * 86_400 }),
  fc.constantFrom(0, 1_000_000_000, 99_999_999_999),
);

interface Jwt {
  readonly token: string;
  readonly ends: readonly number[] | undefined;
}

const HEADER = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9';
const jwt = (payload: string, ends: Jwt['ends']): Jwt => ({
  token: `${HEADER}.${Buffer.from(payload).toString('base64url')}.c2lnbmF0dXJl`,
  ends,
});

const hex = fc.string({
  unit: fc.constantFrom(...Array.from('0123456789abcdef')),
  minLength: 32,
  maxLength: 32,
});
const rest = hex.map((jti) => `"iat":${CUTOFF_SECONDS - 99_999},"jti":"${jti}","user_id":"7"`);
/** Claims of a project's own, none of which ends a token's life. */
const harmless = fc.constantFrom(
  '"name":"Zo\\u00eb"',
  '"name":"Zoë"',
  '"note":"\\"exp\\":99999999999,"',
  '"my_exp":99999999999',
  '"expires":99999999999',
  '"reason":"exp"',
  '"path":"C:\\\\u"',
  '"a":{"b":[1,2,{"c":null}]}',
);
/** Ends that say no whole number of seconds, or not plainly. */
const odd = fc.constantFrom(
  '"exp":"1700000000"',
  '"exp":1700000000.5',
  '"exp":17e8',
  '"exp":-5',
  '"exp":null',
  '"exp":[1700000000]',
  '"refresh_exp":true',
  '"\\u0065xp":1700000000',
  '"refresh\\u005fexp":1700000000',
  '"exp":1234567890123456',
);

/** @param own the second that the row's own column says: what simplejwt puts into the token */
function jwts(own: number): fc.Arbitrary<Jwt> {
  const usual = (exp: number | string, more: string): string =>
    `{"token_type":"refresh","exp":${exp},${more}}`;
  return fc.oneof(
    { weight: 5, arbitrary: rest.map((r) => jwt(usual(own, r), [own])) },
    { weight: 2, arbitrary: fc.tuple(end, rest).map(([exp, r]) => jwt(usual(exp, r), [exp])) },
    fc
      .tuple(end, end, rest)
      .map(([exp, refresh, r]) =>
        jwt(`{"token_type":"sliding","exp":${exp},${r},"refresh_exp":${refresh}}`, [exp, refresh]),
      ),
    // Begins like the usual one, and goes on otherwise.
    fc.tuple(end, rest).map(([exp, r]) => jwt(usual(own, `${r},"exp":${exp}`), [own, exp])),
    fc.tuple(end, rest).map(([exp, r]) => jwt(usual(own, `${r},"refresh_exp":${exp}`), [own, exp])),
    fc
      .tuple(end, rest, fc.nat(2))
      .map(([exp, r, pad]) =>
        jwt(usual(own, `"p":"${'x'.repeat(pad)}",${r},"n":{"exp" : ${exp} }`), [own, exp]),
      ),
    rest.map((r) => jwt(usual(`${own}0`, r), [own * 10])),
    fc.tuple(harmless, rest).map(([claim, r]) => jwt(usual(own, `${r},${claim}`), [own])),
    fc.tuple(harmless, end, rest).map(([claim, exp, r]) => jwt(`{${claim},${r},"exp":${exp}}`, [exp])),
    fc.tuple(odd, rest).map(([claim, r]) => jwt(usual(own, `${r},${claim}`), undefined)),
    fc.tuple(odd, rest).map(([claim, r]) => jwt(`{${claim},${r}}`, undefined)),
    rest.map((r) => jwt(JSON.stringify(JSON.parse(`{"exp":${own},${r}}`), null, 2), [own])),
    rest.map((r) => jwt(`{${r}}`, [])),
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => ({
      token: `${HEADER}.${Buffer.from(bytes).toString('base64url')}.x`,
      ends: [],
    })),
    // Hand-made: no JWT, which can't be presented; and what looks like one and can't be read.
    fc
      .constantFrom('', 'token', 'a.b', 'no jwt at all', "'; DROP TABLE x; --")
      .map((token) => ({ token, ends: [] })),
    fc
      .constantFrom('a.b.c', 'a..c', 'a.b!?=.c', 'a.YQ==.c', 'a.YWJj.c.d', '..', 'a.Zm9vb.c')
      .map((token) => ({ token, ends: undefined })),
  );
}

const rowArbitrary: fc.Arbitrary<Row> = expires.chain((when) => {
  const own = typeof when === 'string' ? CUTOFF_SECONDS : Number((CUTOFF_US + when) / SECOND);
  return fc
    .record({
      expires: fc.constant(when),
      jwt: jwts(own),
      blacklisted: fc.boolean(),
      // 999: a user that isn't there (the table has no foreign key in this world).
      userId: fc.constantFrom(1, 2, 999, null),
      createdAt: fc.boolean(),
    })
    .map(({ jwt: { token, ends }, ...row }) => ({ ...row, token, ends }));
});

export const stateArbitrary = fc.record({
  rows: fc.array(rowArbitrary, { maxLength: 25 }),
  batchSize: fc.integer({ min: 1, max: 12 }),
});
