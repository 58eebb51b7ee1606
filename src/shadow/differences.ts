/**
 * The classes of differences, and what each of them means. `mend` is what mends it where the answers themselves don't say
 * more; null: no option does.
 */
export const DIFFERENCES = {
  signing_key: {
    says: 'Django accepts or issues tokens that the key here does not verify.',
    mend: '--signing-key-file (CARELINK_SIGNING_KEY): it must hold SIGNING_KEY, or SECRET_KEY where that is not set',
  },
  algorithm: { says: 'Tokens are signed with another algorithm.', mend: '--algorithm' },
  issuer: { says: 'The issuer (`iss`) of tokens is another one.', mend: '--issuer' },
  audience: { says: 'The audience (`aud`) of tokens is another one.', mend: '--audience' },
  leeway: { says: 'Expired tokens are accepted for another time.', mend: '--leeway' },
  session_lifetime: {
    says: 'The session may last no longer here; Django goes on.',
    mend: '--session-lifetime off',
  },
  token_checks: {
    says: 'Django refuses tokens that are accepted here.',
    mend: '--issuer, --audience and --leeway: compare them with ISSUER, AUDIENCE and LEEWAY',
  },
  access_lifetime: { says: 'Access tokens live for another time.', mend: '--access-lifetime' },
  refresh_lifetime: { says: 'Refresh tokens live for another time.', mend: '--refresh-lifetime' },
  sliding_lifetime: { says: 'Sliding tokens live for another time.', mend: '--sliding-lifetime' },
  user_id_claim: { says: 'Tokens name their user in another claim.', mend: '--user-id-claim' },
  jti_claim: { says: 'Tokens have their id in another claim.', mend: '--jti-claim' },
  token_type_claim: { says: 'Tokens have their type in another claim.', mend: '--token-type-claim' },
  sliding_claim: {
    says: 'Sliding tokens have the end of their refreshing in another claim.',
    mend: '--sliding-refresh-exp-claim',
  },
  claims: {
    says: 'Django puts other claims into tokens.',
    mend: '--user-table with a view of the site that has them in --user-claims-column',
  },
  rotation: {
    says: 'Django answers with a refresh token where none is answered here, or the other way round.',
    mend: '--rotation',
  },
  spends: {
    says: 'A refresh token that was rotated is blacklisted at one of the two, and not at the other.',
    mend: '--rotation',
  },
  blacklisted_accepted: {
    says: 'Django accepts refresh tokens that are blacklisted.',
    mend: null,
  },
  blacklist_unseen: {
    says: 'Django refuses tokens as blacklisted, and no row of this database says so.',
    mend: '--database-url and --schema: they must lead to the tables that Django uses; --token-tables required',
  },
  verify_blacklist: { says: 'verify/ takes blacklisted tokens otherwise.', mend: '--verify-blacklist' },
  user_refused: {
    says: 'Users are refused here that Django lets refresh: those who are inactive or gone.',
    mend: '--user-check off lets them, as simplejwt does before 5.4; else nothing is to be mended',
  },
  user_accepted: {
    says: 'Django refuses users that may refresh here.',
    mend: '--user-check on, --user-active-column, or a view as --user-table',
  },
  password: { says: 'A changed password is taken otherwise.', mend: '--revoke-claim (CHECK_REVOKE_TOKEN)' },
  throttle: { says: 'Django held the client to a rate.', mend: '--throttle-user, --throttle-address' },
  simplejwt_compat: {
    says: 'Errors have the words of another release of simplejwt.',
    mend: '--simplejwt-compat',
  },
  wording: {
    says: 'Errors have other words: a translation, or an exception handler of the site.',
    mend: null,
  },
  body: { says: 'The answer has other members.', mend: null },
  status: { says: 'The answer has another status.', mend: null },
  challenge: { says: 'The header WWW-Authenticate is another one.', mend: null },
  in_front: {
    says: 'Something in front of the view answered: a middleware, or Django itself (ALLOWED_HOSTS, a redirect).',
    mend: null,
  },
  endpoint_path: {
    says: 'Django has no endpoint at a path that is answered here.',
    mend: '--base-path, or --refresh-path, --verify-path, --blacklist-path and --sliding-path',
  },
  elsewhere: { says: 'Django takes tokens at a path that is not answered here.', mend: '--refresh-path' },
  token_place: {
    says: 'The token was not found where Django found it.',
    mend: '--cookie-style, --cookie-name',
  },
  too_long: { says: 'A token is too long for this server.', mend: '--max-token-bytes' },
  cors_origin: { says: 'Pages of an origin may read answers at one of the two only.', mend: '--cors-origin' },
  cors_header: {
    says: 'Pages may not send a header here that they may send to Django.',
    mend: '--cors-header',
  },
  cors_credentials: {
    says: 'Pages may send cookies to one of the two only.',
    mend: '--cookie-style: only with cookies does an answer allow credentials',
  },
  cookie_style: { says: 'Django hands tokens out in cookies.', mend: '--cookie-style dj-rest-auth' },
  cookie_name: { says: 'A cookie has another name.', mend: '--cookie-name, --access-cookie-name' },
  cookie_attribute: {
    says: 'A cookie has other attributes.',
    mend: '--cookie-path, --cookie-domain, --cookie-samesite, --cookie-secure, --cookie-httponly, --cookie-lifetime',
  },
  cookie_lost: { says: 'Django sets a cookie that is not set here.', mend: null },
} as const satisfies Readonly<Record<string, { readonly says: string; readonly mend: string | null }>>;

export type DifferenceCode = keyof typeof DIFFERENCES;

/**
 * What a difference rests on that may have changed between Django's answer and the look at the rows. It counts only where
 * that is known to have stood before.
 */
export type Rests = 'blacklist' | 'user' | 'clock' | undefined;

export interface Difference {
  readonly code: DifferenceCode;
  /** In short what each of the two said: without tokens, and without what is a person's. */
  readonly django: string;
  readonly here: string;
  /** The option with its value, where the answers tell it. */
  readonly mend?: string;
  readonly rests?: Rests;
}
