import { fault, warning, type Check, type Finding } from '../check.js';

/** Otherwise than Django has them, these refuse good tokens, or accept what Django refuses. Others are only noticed. */
const UNSAFE = new Set([
  'algorithm', 'audience', 'issuer', 'leeway', 'user-id-claim', 'jti-claim', 'token-type-claim', 'sliding-refresh-exp-claim',
  'rotation', 'token-tables', 'verify-blacklist', 'user-check', 'user-table', 'user-id-column', 'user-active-column',
  'revoke-claim', 'revoke-claim-hash', 'user-password-column', 'schema', 'refresh-lifetime', 'sub-as-text',
]); // prettier-ignore

/** `--facts`: the running configuration against the Django that it was made for. */
export const FACTS_CHECKS: readonly Check[] = [
  {
    id: 'django_settings',
    title: "the configuration is what Django's settings want",
    judge: ({ adoption }) =>
      adoption === undefined
        ? 'unused'
        : adoption.mismatches.map(({ flag, wanted, setting, django }): Finding => {
            const why =
              setting === undefined
                ? `--${flag} is set, and nothing in Django's settings asks for it.`
                : `--${flag} is not what ${setting} in Django wants (${django ?? ''}).`;
            const mend =
              wanted === undefined
                ? `Leave --${flag} out.`
                : `Say ${wanted === 'true' ? `--${flag}` : `--${flag} ${wanted}`}. \`carelink-tokens adopt\` writes all of them into a file.`;
            return UNSAFE.has(flag) ? fault(why, mend) : warning(why, mend);
          }),
  },
  {
    id: 'django_kept',
    title: 'all that Django does at these paths is kept',
    judge: ({ adoption }) =>
      adoption === undefined
        ? 'unused'
        : adoption.lost.map(({ setting, django, means }) =>
            warning(`${setting}${django === '' ? '' : `: ${django}`} is lost.`, means),
          ),
  },
];
