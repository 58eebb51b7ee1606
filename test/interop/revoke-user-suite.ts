/** `revoke_user` in Django's own transactions: docs/django/end_sessions.py in `atomic()`, and refreshes beside it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { blacklist, pairOf, refresh } from './api.js';
import { heard, startPair, type Mode, type Pair } from './pair.js';

const ready = services().postgres !== undefined && services().django;

const LEVELS = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const;

/** Older than the second that is marked, as sessions are. */
const AGE_SECONDS = 60;

export function revokeUserSuite(modes: readonly Mode[], races: number): void {
  describe.skipIf(!ready).each(modes)('sessions that end in a transaction of Django, $mode', (options) => {
    let pair: Pair;
    beforeAll(async () => {
      // For tokens without a row that are refreshed before the COMMIT.
      pair = await startPair({ ...options, args: ['--session-start'] });
    });
    afterAll(() => pair.close());
    const recorded = (userId: string) =>
      query<{ kind: string; actor: string; reason: string; tokens: number; begun_before: Date }>(
        pair.database,
        `SELECT kind, actor, reason, tokens, begun_before FROM carelink.audit WHERE user_key = $1`,
        [userId],
      );
    const rowless = (userId: string) =>
      mintRefresh({ userId: Number(userId), iatSeconds: Math.floor(Date.now() / 1000) - AGE_SECONDS }).token;

    test('rolled back: nothing is revoked, and nothing recorded', async () => {
      const user = await pair.django.makeUser({ password: 'old' });
      const [held, other] = [await pair.django.mint(user), rowless(user)];
      expect((await pair.django.changePasswordAndEnd(user, 'new', { fail: true })).ended).toBe(1);
      expect(await recorded(user)).toEqual([]);
      for (const token of [held.refresh, other]) expect((await refresh(pair.url, token)).status).toBe(200);
    });

    test('committed: nobody refreshes but with the pair that was issued right after, and one row says why', async () => {
      const user = await pair.django.makeUser();
      const [held, theirs, other] = [
        await pair.django.mint(user),
        await pair.django.mint(user),
        rowless(user),
      ];
      const successor = pairOf(await refresh(pair.url, held.refresh)).refresh;
      const { ended, refresh: fresh } = await pair.django.changePasswordAndEnd(user, 'new');
      await heard(options);
      for (const url of [pair.url, pair.django.url])
        for (const token of [held.refresh, successor, theirs.refresh])
          expect((await refresh(url, token)).status).toBe(401);
      expect((await refresh(pair.url, other)).status).toBe(401);
      const next = pairOf(await refresh(pair.url, fresh)).refresh;
      expect((await refresh(pair.url, next)).status).toBe(200);
      // All rows that were open: the one that was rotated was not.
      expect(ended).toBe(2);
      expect(await recorded(user)).toEqual([
        { kind: 'revoke_user', actor: 'sql: postgres', reason: 'password changed', tokens: 2, begun_before: expect.any(Date) as Date },
      ]); // prettier-ignore
    });

    test('a log-out beside it is recorded too, once however often it is sent', async () => {
      const user = await pair.django.makeUser();
      const { refresh: token } = await pair.django.mint(user);
      expect((await blacklist(pair.url, token)).status).toBe(200);
      for (let n = 0; n < 3; n++) expect((await blacklist(pair.url, token)).status).toBe(401);
      expect(await recorded(user)).toEqual([
        { kind: 'logout', actor: 'server', reason: null, tokens: 1, begun_before: null },
      ]);
    });

    describe.each(LEVELS)(`%s: ${races} races`, (isolation) => {
      test(
        'what was refreshed meanwhile ends with all else',
        { timeout: 3 * LATE_MS + races * RACE_MS },
        async () => {
          let refused = 0;
          let met = 0;
          for (let race = 0; race < races; race++) {
            const user = await pair.django.makeUser();
            const [held, other] = [(await pair.django.mint(user)).refresh, rowless(user)];
            const clients = [held, other].map((token) =>
              client(token, isolation === 'READ COMMITTED' ? 0 : BREATH_MS),
            );
            // So that the transaction begins at another point of a refresh each time.
            await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
            let fresh: string | undefined;
            while (fresh === undefined) {
              const changed = await pair.django
                .changePasswordAndEnd(user, `new ${race}`, { isolation })
                .catch((error: unknown) => error as Error);
              if (changed instanceof Error) {
                // A refresh won a row that this transaction can't see: PostgreSQL refuses (40001), and the site tries again.
                expect(changed.message).toContain('answered 500');
                expect(isolation).not.toBe('READ COMMITTED');
                refused++;
              } else fresh = changed.refresh;
            }
            await heard(options);
            const [ofHeld, ofOther] = await Promise.all(clients.map((one) => one.end()));
            met += ofHeld!.length + ofOther!.length - 2;
            for (const token of [...ofHeld!, ...ofOther!])
              expect((await refresh(pair.url, token)).status).toBe(401);
            expect((await refresh(pair.django.url, ofHeld!.at(-1)!)).status).toBe(401);
            expect((await refresh(pair.url, fresh)).status).toBe(200);
            // Claimed in Redis before it had heard of the end: a server ended that by itself.
            const kinds = (await recorded(user)).map(({ kind }) => kind);
            const late = options.async ? 'late_claim' : undefined;
            expect(kinds.filter((kind) => kind !== late)).toEqual(['revoke_user']);
          }
          // Else there was no race.
          expect(met).toBeGreaterThan(races / 2);
          process.stdout.write(
            `${isolation}: ${met} refreshes beside ${races} transactions, ${refused} refused\n`,
          );
        },
      );
    });

    /** Refreshes again and again, and keeps all that it was ever given, until it is refused. */
    function client(first: string, pauseMs: number) {
      const tokens = [first];
      const given = { up: false };
      const running = (async () => {
        while (!given.up) {
          const reply = await refresh(pair.url, tokens.at(-1)!);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMs));
          if (reply.status === 200) tokens.push((reply.body as { refresh: string }).refresh);
          // 503 and 429: the transaction holds the row, and the same token is to be repeated.
          else if (reply.status === 401) return;
        }
      })();
      return {
        async end() {
          // It ends by itself: it is refused from the COMMIT on.
          const late = setTimeout(() => (given.up = true), LATE_MS);
          await running;
          clearTimeout(late);
          expect(given.up).toBe(false);
          return tokens;
        },
      };
    }
  });
}

/**
 * Where all statements of a transaction share one snapshot it is refused as often as a refresh comes between that and the
 * function: beside one that never pauses it would never come to its end.
 */
const BREATH_MS = 60;

/** Bounds against hanging only. */
const LATE_MS = 60_000;
const RACE_MS = 6_000;
