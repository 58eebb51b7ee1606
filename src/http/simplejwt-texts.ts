/** The release of djangorestframework-simplejwt whose texts are kept. */
export type SimplejwtCompat = '5.2' | '5.5';

/**
 * The `detail` of a refusal, word for word, from rest_framework_simplejwt/tokens.py and serializers.py.
 * Clients compare these.
 */
export interface SimplejwtTexts {
  readonly invalid: string;
  readonly expired: string;
  readonly blacklisted: string;
  readonly wrongType: string;
  readonly noType: string;
  readonly noId: string;
  readonly noExp: string;
  /** @param claim what the site calls it: SLIDING_TOKEN_REFRESH_EXP_CLAIM */
  readonly noRefreshExp: (claim: string) => string;
  readonly refreshExpired: (claim: string) => string;
  /** Checked and answered from 5.4 on. 5.2 lets such users refresh; where we don't, it is told the same way. */
  readonly inactive: string;
  /** Checked and answered after 5.5.1, where CHECK_REVOKE_TOKEN is on. */
  readonly passwordChanged: string;
}

const COMMON = {
  blacklisted: 'Token is blacklisted',
  wrongType: 'Token has wrong type',
  noType: 'Token has no type',
  noId: 'Token has no id',
  noExp: "Token has no 'exp' claim",
  noRefreshExp: (claim: string) => `Token has no '${claim}' claim`,
  refreshExpired: (claim: string) => `Token '${claim}' claim has expired`,
  inactive: 'No active account found for the given token.',
  passwordChanged: "The user's password has been changed.",
} as const;

export const SIMPLEJWT_TEXTS: Readonly<Record<SimplejwtCompat, SimplejwtTexts>> = {
  '5.2': { ...COMMON, invalid: 'Token is invalid or expired', expired: 'Token is invalid or expired' },
  '5.5': { ...COMMON, invalid: 'Token is invalid', expired: 'Token is expired' },
};
