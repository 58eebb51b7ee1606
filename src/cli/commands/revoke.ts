import { REVOKE_OPTIONS } from '../../config/revoke-options.js';
import { revokeSettings } from '../../config/revoke-settings.js';
import type { RevokeSettings } from '../../config/settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { stopSignal } from '../signals.js';

export const revokeCommand: CommandDescriptor<RevokeSettings> = {
  name: 'revoke',
  group: 'Sessions',
  summary: 'log users out: all tokens of one, a stolen family, or all that were issued before a time',
  examples: [
    'carelink-tokens revoke --user 4711            # shows the count',
    'carelink-tokens revoke --user 4711 --reason "left the ward" --yes',
    'carelink-tokens revoke --session 17 --yes',
    'carelink-tokens revoke --family stolen.token --yes',
    'carelink-tokens revoke --issued-before now --yes',
  ],
  table: REVOKE_OPTIONS,
  first: ['user', 'session', 'family', 'reason', 'yes'],
  settings: revokeSettings,
  run: revoke,
};

const SESSION_WAS_OVER = 'It had ended before: `carelink-tokens audit --user` tells when, and why.';

/** In a pipe, and on a terminal, progress is told this often. */
const TELL_EVERY_MS = 2_000;

async function revoke(settings: RevokeSettings, output: Output): Promise<ExitCode> {
  const interrupted = new AbortController();
  void stopSignal().then(() => interrupted.abort());
  const { onRevocation } = await import('../../compose/revoke.js');
  let toldAtMs = performance.now();
  let live = 0;
  const hooks = {
    signal: interrupted.signal,
    onBatch(revoked: number) {
      if (performance.now() - toldAtMs < TELL_EVERY_MS) return;
      toldAtMs = performance.now();
      output.document({ event: 'progress', revoked, live });
      output.note(`${figure(revoked)} of ${figure(live)}`);
    },
    onWarning: (sentence: string) => output.warn(sentence),
    onPressure(reasons: readonly string[]) {
      output.document({ event: 'pressure', reasons });
      output.note(`slowed down: ${reasons.join('; ')}`);
    },
  };
  return onRevocation(settings, hooks, async (revocation) => {
    if (revocation.unknown !== undefined) output.warn(`Not known: ${revocation.unknown}.`);
    live = await revocation.count();
    output.document({ event: 'count', target: settings.target.kind, live });
    output.say(`${what(settings)}: ${tokens(live, 'live ')}${rowless(settings)}`);
    if (!settings.yes) {
      output.say('Nothing was changed. Add --yes to revoke them.');
      return 6;
    }
    const startedMs = performance.now();
    const { revoked, batches, retries, interrupted: ended } = await revocation.run();
    const durationMs = Math.round(performance.now() - startedMs);
    const end = ended ? 'interrupted' : 'done';
    output.document({ event: end, revoked, batches, retries, duration_ms: durationMs });
    if (ended) output.say('Interrupted: what was finished is kept. Run it again for the rest.');
    output.say(
      `Revoked ${tokens(revoked)} in ${(durationMs / 1000).toFixed(1)} s`,
      ...(revoked === 0 && settings.target.kind === 'session' ? [SESSION_WAS_OVER] : []),
      'Access tokens that are out already are good until they expire.',
    );
    return ended ? 130 : 0;
  });
}

function what({ target }: RevokeSettings): string {
  switch (target.kind) {
    case 'user':
      return `User ${target.userKey}`;
    case 'session':
      return `Session ${target.id}`;
    case 'jti':
      return `Token ${target.jti} and what came of it`;
    case 'family':
      return 'The token of the file and what came of it';
    case 'issued_before':
      return `Issued before ${target.at}, all users`;
  }
}

function rowless({ target }: RevokeSettings): string {
  const reaches = target.kind === 'user' || target.kind === 'issued_before';
  return reaches ? ', and those that have no row' : '';
}

function tokens(count: number, which = ''): string {
  return `${figure(count)} ${which}${count === 1 ? 'token' : 'tokens'}`;
}

function figure(value: number): string {
  return value.toLocaleString('en-US');
}
