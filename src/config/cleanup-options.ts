import { durationFraction, durationMs, integer, oneOf, text, type ValueKind } from './kinds.js';
import { inGroup, list, optional, toggle, valued } from './option.js';
import { TOKEN_TABLES_OPTION } from './rotation-options.js';
import { slidingClaim } from './sliding-claim.js';
import { SHARED_OPTIONS } from './shared-options.js';

const rows = integer({ min: 1, max: 20_000 });

/** `auto`: undefined would be refused, so it has a value of its own. */
const batchSize: ValueKind<number | 'auto'> = {
  placeholder: 'auto|rows',
  suggests: ['auto'],
  allowed: `auto, or ${rows.allowed}`,
  parse: (text) => (text === 'auto' ? 'auto' : rows.parse(text)),
};

const extra = durationMs({ min: '0s', max: '3650d' });

const extraLifetime: ValueKind<number | 'auto'> = {
  placeholder: 'auto|duration',
  suggests: ['auto'],
  allowed: `auto, or ${extra.allowed}`,
  parse: (text) => (text === 'auto' ? 'auto' : extra.parse(text)),
};

/** All that `cleanup` takes. */
export const CLEANUP_OPTIONS = {
  ...inGroup('What goes', {
    // At least an hour: a token that has just expired may still be judged by a clock that is behind (rule 16).
    retention: valued(durationMs({ min: '1h', max: '3650d' }), {
      default: '7d',
      help: 'a row goes once its token has been expired this long',
    }),
    leeway: valued(durationFraction({ min: '0s', max: '1h' }), {
      default: '0s',
      help: "the servers' leeway: nothing goes sooner than it and 5 min after a token expired",
    }),
    'extra-lifetime': valued(extraLifetime, {
      default: 'auto',
      help: 'how much longer than their rows say tokens may live; auto: as rows show, 90d at most',
    }),
    'sliding-refresh-exp-claim': slidingClaim,
  }),
  ...inGroup('This run', {
    'dry-run': toggle({ help: 'tell what would go, by age, and how long it would take' }),
    every: optional(durationMs({ min: '1m', max: '30d' }), {
      help: 'stay, and do it again so long after each beginning',
      absentText: 'once',
    }),
    'max-duration': optional(durationMs({ min: '1s', max: '30d' }), {
      help: 'stop after so long, with exit code 3 if something is left',
      absentText: 'no end',
    }),
    'max-rows': optional(integer({ min: 1, max: 1_000_000_000 }), {
      help: 'stop after so many, likewise',
      absentText: 'no end',
    }),
  }),
  ...inGroup('Pace', {
    nice: valued(integer({ min: 0, max: 1_000 }), {
      default: '4',
      help: 'rest after each batch, as a multiple of what its rows took; 0: full speed',
    }),
    'target-batch-time': valued(durationMs({ min: '1ms', max: '2s' }), {
      default: '25ms',
      help: 'what the rows of a batch are to take, without the way to the database',
    }),
    'batch-size': valued(batchSize, { default: 'auto', help: 'rows a batch; auto: steered by its time' }),
    'ignore-standby': list(text('name'), {
      help: 'a standby that may be behind, because its recovery_min_apply_delay says so: its application_name',
    }),
  }),
  ...inGroup('What goes', {
    'audit-retention': optional(durationMs({ min: '1d', max: '100y' }), {
      help: 'remove what the audit has of deeds that are so old, such as 6y',
      absentText: 'all of it is kept',
    }),
  }),
  ...TOKEN_TABLES_OPTION,
  ...inGroup('Pace', {
    vacuum: valued(oneOf(['auto', 'off']), {
      default: 'auto',
      help: 'VACUUM (ANALYZE) afterwards; auto: where so much was removed that it pays',
    }),
  }),
  ...SHARED_OPTIONS,
};
