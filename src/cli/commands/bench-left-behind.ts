import type { BenchReport } from '../../bench/index.js';
import type { BenchSettings } from '../../config/settings.js';

/** What a run leaves at a server that isn't its own, and how it is removed. */
export function leftBehindLines({ leftBehind }: BenchReport, settings: BenchSettings): string[] {
  if (leftBehind === undefined) return [];
  const { rowsAtMost, liveTokens } = leftBehind;
  const { tokens, firstUserId, users } = settings;
  const whose =
    tokens === undefined
      ? `users ${firstUserId} to ${firstUserId + users - 1}`
      : 'the users whose tokens were given';
  const revoked = tokens === undefined ? `--user ${firstUserId}` : '--user ID';
  const spent =
    settings.rotation === 'off'
      ? []
      : [
          `            up to ${rowsAtMost} rows in each token table: \`carelink-tokens cleanup\` removes them once they have expired.`,
        ];
  return [
    '',
    `left behind ${liveTokens} refresh tokens of ${whose} can be used until they expire: \`carelink-tokens revoke ${revoked} --yes\``,
    '            ends those of a user, his own sessions too; `manage.py bench_tokens --end` those of users made for this.',
    ...spent,
  ];
}
