import type { Options } from './evidence.js';
import type { Fate, TokenSample } from './token-sample.js';

export type Refused = Exclude<Fate, 'accepted'>;

/** What tells with which keys and for whom a token was made. */
const OF_KEYS: ReadonlySet<Fate> = new Set(['unreadable', 'algorithm', 'signature', 'issuer', 'audience']);

/** Whether the keys, audience and issuer that are configured are those of the token. */
export const isOfKeys = ({ fate }: TokenSample): boolean => !OF_KEYS.has(fate);

/** Those that could still be refreshed; where all have expired, the last that could. */
export function current(samples: readonly TokenSample[]): readonly TokenSample[] {
  const live = samples.filter(({ expired }) => !expired);
  return live.length > 0 ? live : samples;
}

/** What most of the refused have in common; undefined where none is refused. */
export function mainFate(samples: readonly TokenSample[]): Refused | undefined {
  const counts = new Map<Refused, number>();
  for (const { fate } of samples) if (fate !== 'accepted') counts.set(fate, (counts.get(fate) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

type FateOptions = Pick<Options, 'algorithm' | 'audience' | 'issuer' | 'names'>;

/** What is wrong with tokens of this fate, as the rest of a sentence about them, and what to do. */
export function told(
  fate: Refused,
  samples: readonly TokenSample[],
  { algorithm, audience, issuer, names }: FateOptions,
): { readonly what: string; readonly mend: string } {
  const some = samples.find((sample) => sample.fate === fate);
  const claims = [...new Set(samples.flatMap((sample) => sample.claims))].sort().join(', ');
  switch (fate) {
    case 'unreadable':
      return { what: 'are no JWTs', mend: 'Is this the database that Django uses? Check --database-url.' };
    case 'algorithm':
      return {
        what: `are signed with ${some?.algorithm ?? 'another algorithm'}, and --algorithm is ${algorithm}`,
        mend: "Give --algorithm what Django's SIMPLE_JWT['ALGORITHM'] says.",
      };
    case 'signature':
      return {
        what: 'are signed with another key',
        mend: "Give CARELINK_SIGNING_KEY what Django signs with: SIMPLE_JWT['SIGNING_KEY'], else SECRET_KEY.",
      };
    case 'issuer':
      return {
        what: `have the issuer ${some?.issuer ?? '(none)'}, and --issuer is ${issuer ?? '(none)'}`,
        mend: "Give --issuer what Django's SIMPLE_JWT['ISSUER'] says; leave it out where Django has none.",
      };
    case 'audience':
      return {
        what: `have the audience ${some?.audience ?? '(none)'}, and --audience is ${audience.join(', ')}`,
        mend: "Give --audience what Django's SIMPLE_JWT['AUDIENCE'] says; leave it out where Django has none.",
      };
    case 'not_yet':
      return {
        what: "were made after the database's now: Django's clock is ahead",
        mend: 'Run NTP on the hosts of Django and of the database.',
      };
    case 'nan':
      return {
        what: 'have NaN or Infinity in a claim, which is no JSON: this server refuses them',
        mend: "It can't be kept: let the claim that Django writes hold a number, or text.",
      };
    case 'claims':
      return {
        what: 'have an exp, iat or nbf that no refresh accepts',
        mend: "Look at what Django's own token classes write into these claims.",
      };
    case 'no_id':
    case 'bad_id':
      return {
        what:
          fate === 'no_id'
            ? `have no claim ${names.jti}; they have ${claims}`
            : `have no usable id in the claim ${names.jti}`,
        mend: "Give --jti-claim what Django's SIMPLE_JWT['JTI_CLAIM'] says. None there can't be kept: leave the tokens with Django.",
      };
    case 'no_type':
    case 'wrong_type':
      return {
        what:
          fate === 'no_type'
            ? `have no claim ${names.tokenType}; they have ${claims}`
            : `are neither refresh nor sliding tokens by their claim ${names.tokenType}`,
        mend: "Give --token-type-claim what Django's SIMPLE_JWT['TOKEN_TYPE_CLAIM'] says. None there can't be kept: leave the tokens with Django.",
      };
    case 'no_refresh_exp':
      return {
        what: `are sliding tokens without a claim ${names.slidingEnd}; they have ${claims}`,
        mend: "Give --sliding-refresh-exp-claim what Django's SIMPLE_JWT['SLIDING_TOKEN_REFRESH_EXP_CLAIM'] says, to `cleanup` and `revoke` as well.",
      };
    case 'bad_user':
      return {
        what: `have something in the claim ${names.userId} that can't be the id of a user`,
        mend: "Give --user-id-claim what Django's SIMPLE_JWT['USER_ID_CLAIM'] says.",
      };
    case 'user_unfit':
      return {
        what: "have user ids that don't fit the key of users",
        mend: 'Give --user-id-column the column that USER_ID_FIELD names, and --user-table its table.',
      };
    case 'user_other':
      return {
        what: `name another user in the claim ${names.userId} than their rows do, so another user's row would say whether they are refreshed`,
        mend: 'Give --user-id-column the column that USER_ID_FIELD names.',
      };
    case 'inactive':
      return {
        what: 'are of users who are not there or not active',
        mend: 'Check --user-table, --user-id-column and --user-active-column; it is right where these users were deactivated.',
      };
    case 'password_changed':
      return {
        what: `have in the claim ${names.revoke ?? ''} no hash of their user's password, or that of another one`,
        mend: 'Check --revoke-claim, --revoke-claim-hash and --user-password-column; it is right where these passwords were changed.',
      };
    case 'claims_unfit':
      return {
        what: 'are of users whose claims in the view of users are no JSON object, or over 4096 bytes',
        mend: 'Mend the view: until then these users get 503, and their tokens stay unspent.',
      };
    case 'revoked':
      return {
        what: 'were revoked by `carelink-tokens revoke`',
        mend: 'Nothing is to be done where that was meant: their users log in again.',
      };
  }
}
