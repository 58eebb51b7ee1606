import { askOf } from '../../store/database.js';
import { cannotTell, fault, note, ofQuery, warning, type Check, type Finding } from '../check.js';

/** A secret this short is guessed from one token, offline. RFC 7518 wants the hash's size: 32 and more. */
const GUESSABLE_BYTES = 16;

/** A token and what it was rotated to. */
interface Rotated {
  readonly jti: string;
  readonly successor: string;
}

/**
 * The last rotations of ours whose new token is alive: both rows have one time (design rule 2), to the microsecond. A new token of
 * Django's is dated by its `iat`, in whole seconds.
 */
const ROTATED = `
  SELECT o.jti, s.jti AS successor
    FROM (SELECT token_id, blacklisted_at FROM token_blacklist_blacklistedtoken ORDER BY id DESC LIMIT 200) b
    JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id
    JOIN token_blacklist_outstandingtoken s
      ON s.user_id = o.user_id AND s.created_at = b.blacklisted_at AND s.id <> o.id AND s.expires_at > now()
     AND s.created_at <> date_trunc('second', s.created_at)
   LIMIT 50`;

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
      const trim =
        "If Django's has none there, take it out of CARELINK_SIGNING_KEY or the key's file; one line end after it does no harm.";
      const guessable = keys.secretBytes !== undefined && keys.secretBytes < GUESSABLE_BYTES;
      return keys.warnings.map((what): Finding => {
        if (what.includes('white space')) return warning(what, trim);
        return guessable ? fault(what, mend) : warning(what, mend);
      });
    },
  },
  {
    id: 'example_secrets',
    title: 'no secret is out of an example',
    judge: ({ keys }) =>
      keys.examples.map((name) =>
        fault(
          `${name} has a value of an example: everybody who has read the example knows it.`,
          'Make one of your own: `openssl rand -base64 48` for a key, `openssl rand -hex 32` for a chain key.',
        ),
      ),
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
              'Pin it before the signing key is ever changed: with the value that is in use, or log-outs miss the sessions there are. ' +
                'docs/how-to/certificates-and-keys.md prints it. Only a site that none of our servers has refreshed takes any (`openssl rand -hex 32`).',
            ),
          ],
  },
  ofQuery(
    'chain_key_fits',
    'the chain key leads from each token to the one that it was refreshed to',
    (database) => askOf(database)<Rotated>(ROTATED),
    (pairs, _, { keys: { follows } }) => {
      if (follows === undefined) return cannotTell('the keys can not be used');
      const strange = pairs.filter(({ jti, successor }) => !follows(jti, successor)).length;
      if (strange === 0) return [];
      return [
        fault(
          `${strange} of ${pairs.length} recent refreshes were made under another chain key: a log-out with an older token of such a session ` +
            'leaves its newest one alive.',
          'Give the CARELINK_CHAIN_KEY of the server that refreshed them, after the new one if that has been in use as well. ' +
            'Without one it follows from the signing key: docs/how-to/certificates-and-keys.md prints it.',
        ),
      ];
    },
  ),
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
