import { durationSeconds, type ValueKind } from './kinds.js';
import { inGroup, toggle, valued } from './option.js';

const LONGEST = durationSeconds({ min: '1s', max: '3650d' });

/** Whole seconds, or `off`. */
const secondsOrOff: ValueKind<number | 'off'> = {
  placeholder: 'duration|off',
  suggests: ['off'],
  allowed: `${LONGEST.allowed}, or off`,
  parse: (text) => (text === 'off' ? 'off' : LONGEST.parse(text)),
};

/** More would double the number of refreshes. */
const MOST_PERCENT = 50;

/** A share, of which `30%` is 0.3. */
const share: ValueKind<number> = {
  placeholder: 'percent',
  allowed: `a share from 0% to ${MOST_PERCENT}% (such as 10% or 2.5%)`,
  parse(text) {
    const percent = /^\d{1,2}(\.\d{1,3})?%$/.test(text) ? Number(text.slice(0, -1)) : undefined;
    return percent !== undefined && percent <= MOST_PERCENT ? percent / 100 : undefined;
  },
};

/** How long a session lasts, and when within it clients refresh. */
export const SESSION_OPTIONS = inGroup('Lifetimes', {
  'session-lifetime': valued(secondsOrOff, {
    default: 'off',
    help: 'how long a session may last from its log-in, however often it is refreshed. Implies --session-start',
  }),
  'session-start': toggle({
    help: 'write into refresh tokens when their session began (carelink_start), which revocations are compared with. Once all instances run this release',
  }),
  'lifetime-spread': valued(share, {
    default: '0%',
    help: 'by how much lives of access and sliding tokens are shortened at most, each by its own share, so that clients do not refresh in step',
  }),
});

/** What the options come to. */
export function sessionSettings(values: {
  readonly 'session-lifetime': number | 'off';
  readonly 'session-start': boolean;
  readonly 'lifetime-spread': number;
}): {
  readonly sessionLifetimeSeconds: number | undefined;
  readonly tellsStart: boolean;
  readonly lifetimeSpread: number;
} {
  const lifetime = values['session-lifetime'];
  return {
    sessionLifetimeSeconds: lifetime === 'off' ? undefined : lifetime,
    tellsStart: lifetime !== 'off' || values['session-start'],
    lifetimeSpread: values['lifetime-spread'],
  };
}
