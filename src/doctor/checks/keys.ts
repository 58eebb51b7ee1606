import { fault, note, ofTables, warning, type Check, type Finding } from '../check.js';

/** A secret this short is guessed from one token, offline. RFC 7518 wants the hash's size: 32 and more. */
const GUESSABLE_BYTES = 16;

const DAY_MS = 86_400_000;
/** Let's Encrypt renews with 30 days left; at half of that nobody does any more. */
const CERTIFICATE_WARNING_DAYS = 14;

export const KEY_CHECKS: readonly Check[] = [
  {
    id: 'signing_key',
    title: 'the keys can be used, and are strong',
    judge({ keys }) {
      if (keys.error !== undefined)
        return [fault(keys.error, 'Correct CARELINK_SIGNING_KEY or --signing-key-file.')];
      const mend =
        'Make a new one (`openssl rand -base64 48`), and accept the old one with --verifying-key-file for a refresh lifetime.';
      const guessable = keys.secretBytes !== undefined && keys.secretBytes < GUESSABLE_BYTES;
      return keys.warnings.map((what): Finding => (guessable ? fault(what, mend) : warning(what, mend)));
    },
  },
  {
    id: 'chain_key',
    title: 'the chain key is pinned',
    judge: ({ keys, database }) =>
      keys.chainKeyPinned || (database.kind === 'reached' && database.embedded)
        ? []
        : [
            note(
              'The chain key follows from the signing key.',
              'Pin CARELINK_CHAIN_KEY (`openssl rand -hex 32`) before the signing key is ever changed.',
            ),
          ],
  },
  ofTables(
    'same_key',
    'the newest tokens of the database were signed with this key',
    ({ samples }, { options }) => {
      if (samples.length === 0) return undefined;
      const other = samples.find(({ algorithm }) => algorithm !== options.algorithm);
      if (other !== undefined) {
        return [
          fault(
            `The newest tokens are signed with ${other.algorithm}, and --algorithm is ${options.algorithm}.`,
            "Give --algorithm what Django's SIMPLE_JWT['ALGORITHM'] says.",
          ),
        ];
      }
      if (samples.some(({ verified }) => verified)) return [];
      return [
        fault(
          'None of the newest tokens in the database is accepted with these keys: everybody would be logged out.',
          "Give CARELINK_SIGNING_KEY what Django signs with: SIMPLE_JWT['SIGNING_KEY'], else SECRET_KEY; check --audience and --issuer.",
        ),
      ];
    },
  ),
  ofTables('lifetime', "refresh tokens live as long as Django's", ({ samples }, { options }) => {
    const lifetimes = samples.flatMap(({ lifetimeSeconds }) => lifetimeSeconds ?? []);
    const longest = Math.max(0, ...lifetimes);
    const ours = options.refreshLifetimeSeconds;
    if (longest === 0) return undefined;
    // A rotation here would shorten, or lengthen, what a login gave.
    if (Math.abs(longest - ours) <= 1) return [];
    return [
      warning(
        `The newest tokens live ${longest} s, and those that this server makes live ${ours} s.`,
        `If Django's REFRESH_TOKEN_LIFETIME is meant to hold, set --refresh-lifetime ${longest}s.`,
      ),
    ];
  }),
  {
    id: 'certificate',
    title: "the server's certificate is valid",
    judge({ certificate, wallClockMs }) {
      if (certificate === undefined) return 'unused';
      const days = (certificate.validToMs - wallClockMs) / DAY_MS;
      const mend = 'Renew it, and restart serve with the new files of --tls-cert and --tls-key.';
      if (days <= 0) return [fault(`The certificate of ${certificate.subject} has expired.`, mend)];
      if (days > CERTIFICATE_WARNING_DAYS) return [];
      return [
        warning(`The certificate of ${certificate.subject} expires in ${Math.floor(days)} days.`, mend),
      ];
    },
  },
];
