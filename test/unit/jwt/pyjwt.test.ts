import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { stringifyClaims, parseClaims } from '../../../src/jwt/claims-json.js';
import type { CodecOptions, Verdict } from '../../../src/jwt/codec.js';
import { services } from '../../support/services.js';
import { seededRandom } from '../../fuzz/random.js';
import { CLAIMS, codecFor, keyPairFor, NOW_SECONDS, NOW_US, pkcs8, SECRET, spki } from './codecs.js';
import { askPython, type PythonJob } from './pyjwt.js';

function signText(payload: string): string {
  const input = `${Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')}.${Buffer.from(payload).toString('base64url')}`;
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

describe.skipIf(!services().django)('with simplejwt and PyJWT (skipped where Python lacks them)', () => {
  it.each(['HS256', 'HS384', 'HS512', 'RS256', 'RS512', 'ES256', 'ES384', 'ES512'] as const)(
    '%s: theirs verify here, ours verify there, and HS and RS tokens are the same bytes',
    async (algorithm) => {
      const pair = keyPairFor(algorithm);
      const hmac = algorithm.startsWith('HS');
      const keys = hmac ? { signingKey: SECRET } : { signingKey: pkcs8(pair), verifyingKey: spki(pair) };
      const codec = await codecFor({ algorithm, signingKey: keys.signingKey });
      const ours = await codec.sign(CLAIMS);
      const [signed, verified] = askPython([
        { do: 'sign', algorithm, ...keys, claims: stringifyClaims(CLAIMS) },
        { do: 'verify', algorithm, ...keys, token: ours, now: NOW_SECONDS },
      ]);
      expect(await codec.verify(signed!.token!, NOW_US)).toEqual({ ok: true, claims: CLAIMS });
      expect(verified!.verdict).toBe('ok');
      expect(parseClaims(verified!.claims!)).toEqual(CLAIMS);
      if (!algorithm.startsWith('ES')) expect(signed!.token).toBe(ours);
    },
  );

  it('aud and iss are written where and as they write them', async () => {
    const payloads = [
      '{"a":1}',
      '{"iss":"old","a":1,"aud":["x"]}',
      '{"aud":7,"n":12345678901234567890,"f":1.0}',
    ];
    const cases = payloads.flatMap((claims) =>
      [undefined, 'web', ['web', 'app']].flatMap((audience) =>
        [undefined, 'us'].map((issuer) => ({ claims, audience, issuer })),
      ),
    );
    const theirs = askPython(
      cases.map((job) => ({ do: 'sign', algorithm: 'HS256', signingKey: SECRET, ...job })),
    );
    for (const [at, { claims, audience = [], issuer }] of cases.entries()) {
      const codec = await codecFor({ audience: [audience].flat(), issuer });
      expect(await codec.sign(parseClaims(claims)!)).toBe(theirs[at]!.token);
    }
  });

  it('an audience that is a list of one stays a list when a token is rotated', async () => {
    const claims = '{"a":1,"aud":["web"],"n":1}';
    const job = { claims, audience: ['web'], issuer: undefined };
    const [theirs] = askPython([{ do: 'sign', algorithm: 'HS256', signingKey: SECRET, ...job }]);
    const codec = await codecFor({ audience: ['web'] });
    expect(await codec.sign(parseClaims(claims)!)).toBe(theirs!.token);
  });

  it('a leeway with a fraction ends a token at the same microsecond', async () => {
    const token = signText(stringifyClaims({ ...CLAIMS, exp: NOW_SECONDS - 2 }));
    const codec = await codecFor({ leewaySeconds: 1.5 });
    // 0.0625 is exact in binary: both sides see the very same moment.
    const offsets = [-1, -0.5625, -0.5, -0.4375, 0];
    const asked = askPython(
      offsets.map((offset): PythonJob => ({
        ...{ do: 'verify', algorithm: 'HS256', signingKey: SECRET, token },
        ...{ leeway: 1.5, now: NOW_SECONDS + offset },
      })),
    );
    const ours: Verdict[] = [];
    for (const offset of offsets) ours.push(await codec.verify(token, NOW_US + offset * 1e6));
    const verdicts = ['ok', 'ok', 'expired', 'expired', 'expired'];
    expect(asked.map(({ verdict }) => verdict)).toEqual(verdicts);
    expect(ours.map((one) => (one.ok ? 'ok' : one.reason))).toEqual(verdicts);
  });

  it('4,000 tokens with strange claims end as they do there, save where a difference is meant', async () => {
    const random = seededRandom(5);
    const options: Partial<CodecOptions>[] = [
      {},
      { leewaySeconds: 10 },
      { audience: ['web'], issuer: 'us' },
      { audience: ['web', 'app'] },
      { issuer: '' },
    ];
    const cases = Array.from({ length: 4000 }, () => ({
      payload: strangePayload(random),
      rules: random.pick(options),
    }));
    const jobs = cases.map(({ payload, rules }): PythonJob => ({
      do: 'verify',
      algorithm: 'HS256',
      signingKey: SECRET,
      token: signText(payload),
      audience: rules.audience,
      issuer: rules.issuer,
      leeway: rules.leewaySeconds ?? 0,
      now: NOW_SECONDS,
    }));
    const tally: Record<string, number> = {};
    for (const [at, answer] of askPython(jobs).entries()) {
      const { payload, rules } = cases[at]!;
      const verdict = await (await codecFor(rules)).verify(jobs[at]!.token!, NOW_US);
      const ours = verdict.ok ? 'ok' : verdict.reason;
      const theirs = answer.verdict!;
      // A crash is a 500 there and a 401 here, always.
      const expected = theirs.startsWith('crash') ? 'invalid' : theirs;
      if (ours !== expected && !isMeant(parseClaims(payload) ?? {}, ours, theirs)) {
        expect.fail(`${payload} with ${JSON.stringify(rules)}: ${ours} here, ${theirs} there`);
      }
      tally[theirs] = (tally[theirs] ?? 0) + 1;
    }
    for (const verdict of ['ok', 'expired', 'invalid']) expect(tally[verdict]).toBeGreaterThan(300);
  });
});

/** Values for a claim, of every type and size. Times keep two seconds clear of now: the allowance is tested elsewhere. */
function strangePayload(random: ReturnType<typeof seededRandom>): string {
  const date = (): string =>
    random.pick([
      ...[-1e9, -3600, -11, -9, -2, 0, 3, 9, 13, 3600, 1e9].map((offset) => String(NOW_SECONDS + offset)),
      ...['0', '-1', '1e9', '1.7e9', '1e11', '-1e11', `${NOW_SECONDS - 2}.5`, `${NOW_SECONDS + 60}.0`],
      ...[
        '253402300799',
        '253402300800',
        '1e300',
        '1e400',
        '-1e400',
        '12345678901234567890',
        '-12345678901234567890',
      ],
      ...[
        'null',
        'true',
        'false',
        '""',
        '"x"',
        `"${NOW_SECONDS + 60}"`,
        `"${NOW_SECONDS - 60}"`,
        '[]',
        '{}',
        '[1]',
      ],
    ]);
  const text = (): string =>
    random.pick([
      '"web"',
      '"app"',
      '"us"',
      '""',
      '["web"]',
      '["x","app"]',
      '["web",1]',
      '[]',
      '{}',
      '1',
      '1.0',
      '0',
      'null',
      'true',
      'false',
      '{"web":1}',
    ]);
  const members: string[] = [];
  if (random.chance(0.9)) members.push(`"exp":${random.chance(0.6) ? String(NOW_SECONDS + 3600) : date()}`);
  if (random.chance(0.4)) members.push(`"iat":${random.chance(0.6) ? String(NOW_SECONDS - 60) : date()}`);
  if (random.chance(0.2)) members.push(`"nbf":${random.chance(0.5) ? String(NOW_SECONDS - 60) : date()}`);
  if (random.chance(0.7)) members.push(`"aud":${random.chance(0.5) ? '"web"' : text()}`);
  if (random.chance(0.7)) members.push(`"iss":${random.chance(0.5) ? '"us"' : text()}`);
  return `{${members.join(',')}}`;
}

/** Where we mean to differ: dates that are text or booleans, and dates that datetime can't hold. */
function isMeant(claims: Readonly<Record<string, unknown>>, ours: string, theirs: string): boolean {
  if (ours !== 'invalid' || theirs === 'invalid') return false;
  return ['exp', 'iat', 'nbf'].some((claim) => {
    const value = claims[claim];
    if (typeof value === 'string' || typeof value === 'boolean') return true;
    const seconds = Number(String(value));
    return seconds > 253_402_300_799 || seconds < -62_135_596_800;
  });
}
