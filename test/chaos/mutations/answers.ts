import { claimsOf, isUnclear, successorOf } from '../history-index.js';
import {
  add,
  change,
  changePairs,
  granted,
  type Mutation,
  OTHER_JTI,
  reminted,
  repeated,
  sameToken,
} from './draft.js';

/** Ways in which what clients were answered can be wrong. */
export const ANSWER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a status the contract does not know',
    finds: 'unexpected_status',
    apply: ({ attempts }, pick) => change(pick(attempts), (attempt) => (attempt.status = 500)),
  },
  {
    name: 'a 200 without a pair',
    finds: 'malformed_pair',
    apply: (draft, pick) => change(pick(granted(draft)), (attempt) => delete attempt.pair),
  },
  {
    name: 'an access token where the refresh token belongs',
    finds: 'malformed_pair',
    apply: (draft, pick) =>
      changePairs(draft, pick(granted(draft)), ({ access }) => ({ access, refresh: access })),
  },
  {
    name: 'a pair that hands the same token out again',
    finds: 'malformed_pair',
    apply: (draft, pick) => {
      const answer = pick(granted(draft));
      return changePairs(draft, answer, ({ access, refresh }) => ({
        access,
        refresh: reminted(refresh, { jti: answer?.jti }),
      }));
    },
  },
  {
    name: 'access and refresh token of different times',
    finds: 'malformed_pair',
    apply: (draft, pick) =>
      changePairs(draft, pick(granted(draft)), ({ access, refresh }) => {
        const iat = Number(claimsOf(access)!['iat']) + 1;
        return { refresh, access: reminted(access, { iat, exp: iat + 900 }, 'access') };
      }),
  },
  {
    name: "another user's access token",
    finds: 'pair_of_another_user',
    apply: (draft, pick) =>
      changePairs(draft, pick(granted(draft)), ({ access, refresh }) => ({
        refresh,
        access: reminted(access, { user_id: 999 }, 'access'),
      })),
  },
  {
    name: 'an access token that lives too long',
    finds: 'wrong_lifetime',
    apply: (draft, pick) =>
      changePairs(draft, pick(granted(draft)), ({ access, refresh }) => ({
        refresh,
        access: reminted(access, { exp: Number(claimsOf(access)!['exp']) + 1 }, 'access'),
      })),
  },
  {
    name: 'another successor to a repeat',
    finds: 'successors_differ',
    grace: 'on',
    apply: (draft, pick) =>
      change(pick(repeated(draft)), (attempt) => {
        const { access, refresh } = attempt.pair!;
        attempt.pair = { access, refresh: reminted(refresh, { jti: OTHER_JTI }) };
      }),
  },
  {
    name: 'another access token to a repeat',
    finds: 'pairs_differ',
    grace: 'on',
    apply: (draft, pick) =>
      change(pick(repeated(draft)), (attempt) => {
        const { access, refresh } = attempt.pair!;
        attempt.pair = { refresh, access: reminted(access, { jti: OTHER_JTI }, 'access') };
      }),
  },
  {
    name: 'the same pair twice, with no grace',
    finds: 'answered_twice',
    grace: 'off',
    apply: (draft, pick) => change(pick(granted(draft)), (attempt) => add(draft, attempt, {})),
  },
  {
    name: 'a repeat long after the grace',
    finds: 'replayed_after_grace',
    grace: 'on',
    apply: (draft, pick, { graceMs, clockSlackMs }) =>
      change(pick(granted(draft)), (attempt) =>
        add(draft, attempt, { sentAtMs: attempt.endedAtMs + graceMs + clockSlackMs + 1 }),
      ),
  },
  {
    name: 'a repeat when the successor was used',
    finds: 'replayed_after_use',
    grace: 'on',
    apply: (draft, pick) => {
      const uses = granted(draft).filter((use) =>
        granted(draft).some((attempt) => successorOf(attempt) === use.jti),
      );
      return change(pick(uses), (use) => {
        const before = granted(draft).find((attempt) => successorOf(attempt) === use.jti)!;
        add(draft, before, { sentAtMs: use.endedAtMs + 1 });
      });
    },
  },
  {
    name: 'a client that is sent away when it repeats what got no answer',
    finds: 'repeat_refused',
    grace: 'on',
    apply: (draft, pick) => {
      const doubtful = granted(draft).filter((attempt) => sameToken(draft, attempt).some(isUnclear));
      return change(pick(doubtful), ({ jti }) => {
        for (const attempt of draft.attempts) {
          if (attempt.jti !== jti || attempt.status !== 200) continue;
          attempt.status = 401;
          delete attempt.pair;
        }
      });
    },
  },
  {
    name: 'a client that never hears of its token again',
    finds: 'never_resumed',
    apply: (draft, pick) =>
      change(pick(granted(draft)), ({ jti }) => {
        for (const attempt of draft.attempts) {
          if (attempt.jti !== jti) continue;
          attempt.status = 503;
          delete attempt.pair;
        }
      }),
  },
  {
    name: 'a live token that is refused',
    finds: 'refused_while_live',
    apply: (draft, pick) =>
      change(pick(draft.attempts), ({ jti }) => {
        const first = draft.attempts.find((attempt) => attempt.jti === jti)!;
        add(draft, first, { sentAtMs: first.sentAtMs - 10, endedAtMs: first.sentAtMs - 5, status: 401 });
      }),
  },
  {
    name: 'a 429 with nobody else there',
    finds: 'busy_alone',
    apply: (draft, pick) =>
      change(pick(draft.attempts), ({ jti }) => {
        const first = draft.attempts.find((attempt) => attempt.jti === jti)!;
        add(draft, first, { sentAtMs: first.sentAtMs - 10, endedAtMs: first.sentAtMs - 5, status: 429 });
      }),
  },
];
