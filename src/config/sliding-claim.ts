import { plainClaim } from './kinds.js';
import { valued } from './option.js';

/** Where a sliding token says until when it can be extended: whoever deletes or ends rows must know it, too. */
export const slidingClaim = valued(plainClaim, {
  default: 'refresh_exp',
  help: "simplejwt's SLIDING_TOKEN_REFRESH_EXP_CLAIM",
});
