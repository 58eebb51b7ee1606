import { fault, note, warning, type Check, type Finding } from '../check.js';

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
              'Pin CARELINK_CHAIN_KEY (`openssl rand -hex 32`) before the signing key is ever changed.',
            ),
          ],
  },
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
