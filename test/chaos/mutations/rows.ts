import { successorOf } from '../history-index.js';
import {
  blacklistedOf,
  change,
  changePairs,
  granted,
  live,
  type Mutation,
  OTHER_JTI,
  reminted,
  remove,
  rowOf,
} from './draft.js';

/** Ways in which the rows can contradict the answers, or one another. */
export const ROW_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a rotated token whose row is gone',
    finds: 'token_not_outstanding',
    apply: (draft, pick) => remove(draft.outstanding, rowOf(draft, pick(granted(draft))?.jti)),
  },
  {
    name: 'a rotated token that is not blacklisted',
    finds: 'answered_but_not_blacklisted',
    apply: (draft, pick) => remove(draft.blacklisted, blacklistedOf(draft, pick(granted(draft))?.jti)),
  },
  {
    name: 'a successor that was never written',
    finds: 'successor_not_outstanding',
    apply: (draft, pick) => {
      const answer = pick(granted(draft));
      return answer !== undefined && remove(draft.outstanding, rowOf(draft, successorOf(answer)));
    },
  },
  {
    name: 'a row with another token than was handed out',
    finds: 'stored_token_differs',
    apply: (draft, pick) => {
      const answer = pick(granted(draft));
      return change(
        answer && rowOf(draft, successorOf(answer)),
        (row) => (row.token = reminted(row.token, { more: 1 })),
      );
    },
  },
  {
    name: 'a claim and a successor one microsecond apart',
    finds: 'marker_differs',
    apply: (draft, pick) =>
      change(blacklistedOf(draft, pick(granted(draft))?.jti), (row) => (row.blacklistedAtUs += 1n)),
  },
  {
    name: 'a successor whose iat is not the time of its claim',
    finds: 'iat_differs',
    apply: (draft, pick) => {
      const answer = pick(granted(draft));
      const row = answer && rowOf(draft, successorOf(answer));
      return change(row && blacklistedOf(draft, answer.jti), (claim) => {
        claim.blacklistedAtUs += 1_000_000n;
        row!.createdAtUs += 1_000_000n;
      });
    },
  },
  {
    name: 'a claim from before it was asked for',
    finds: 'claimed_at_another_time',
    apply: (draft, pick) => change(pick(draft.blacklisted), (row) => (row.blacklistedAtUs -= 3_600_000_000n)),
  },
  {
    name: 'a claim from after it was answered',
    finds: 'claimed_at_another_time',
    apply: (draft, pick) =>
      change(
        blacklistedOf(draft, pick(granted(draft))?.jti),
        (row) => (row.blacklistedAtUs += 3_600_000_000n),
      ),
  },
  {
    name: 'a token that was spent by a refused request',
    finds: 'refused_but_spent',
    apply: (draft, pick) =>
      change(pick(live(draft)), ({ id, jti, family, createdAtUs }) => {
        const sentAtMs = Number(createdAtUs / 1000n) + 10_000;
        const requestId = draft.attempts.length;
        draft.attempts.push({ family, requestId, jti, sentAtMs, endedAtMs: sentAtMs + 5, status: 429 });
        draft.blacklisted.push({ tokenId: id, blacklistedAtUs: BigInt(sentAtMs) * 1000n });
      }),
  },
  {
    name: 'a token that was spent though nobody sent it',
    finds: 'spent_by_nobody',
    apply: (draft, pick) => {
      const unasked = live(draft).filter(({ jti }) => !draft.attempts.some((attempt) => attempt.jti === jti));
      return change(pick(unasked), ({ id, createdAtUs }) =>
        draft.blacklisted.push({ tokenId: id, blacklistedAtUs: createdAtUs + 5n }),
      );
    },
  },
  {
    name: 'two tokens with one successor',
    finds: 'shared_successor',
    apply: (draft, pick) => {
      const answer = pick(granted(draft));
      const others = granted(draft).filter(({ jti }) => jti !== answer?.jti);
      return changePairs(draft, pick(others), (pair) => answer?.pair ?? pair);
    },
  },
  {
    name: 'a token that nobody handed out',
    finds: 'token_from_nowhere',
    apply: (draft, pick) =>
      change(pick(draft.attempts), ({ jti }) => {
        for (const attempt of draft.attempts) if (attempt.jti === jti) attempt.jti = OTHER_JTI;
      }) && draft.attempts.every(({ family }) => draft.roots.get(family) !== OTHER_JTI),
  },
  {
    name: 'a second live token',
    finds: 'two_live_tokens',
    apply: (draft, pick) =>
      change(pick(draft.outstanding), (row) =>
        draft.outstanding.push({ ...row, id: 'fork', jti: OTHER_JTI }),
      ),
  },
  {
    name: 'a family whose last token is spent',
    finds: 'no_live_token',
    apply: (draft, pick) =>
      change(pick(live(draft)), ({ id, createdAtUs }) =>
        draft.blacklisted.push({ tokenId: id, blacklistedAtUs: createdAtUs }),
      ),
  },
  {
    name: 'a row that no claim made',
    finds: 'row_without_claim',
    apply: (draft, pick) =>
      change(pick(draft.outstanding), (row) => {
        draft.outstanding.push({ ...row, id: 'stray', jti: OTHER_JTI, createdAtUs: row.createdAtUs + 1n });
        draft.blacklisted.push({ tokenId: 'stray', blacklistedAtUs: row.createdAtUs + 2n });
      }),
  },
  {
    name: 'a claim that made two successors',
    finds: 'forked_claim',
    apply: (draft, pick) => {
      const made = draft.outstanding.filter(({ jti, family }) => draft.roots.get(family) !== jti);
      return change(pick(made), (row) => draft.outstanding.push({ ...row, id: 'fork', jti: OTHER_JTI }));
    },
  },
  {
    name: 'a jti that is there twice',
    finds: 'duplicate_row',
    apply: (draft, pick) =>
      change(pick(draft.outstanding), (row) => draft.outstanding.push({ ...row, id: 'twin' })),
  },
  {
    name: 'a token that is blacklisted twice',
    finds: 'duplicate_row',
    apply: (draft, pick) => change(pick(draft.blacklisted), (row) => draft.blacklisted.push({ ...row })),
  },
  {
    name: 'a blacklisted row whose token is gone',
    finds: 'blacklisted_without_token',
    apply: (draft) => draft.blacklisted.push({ tokenId: 'gone', blacklistedAtUs: 1n }) > 0,
  },
];
