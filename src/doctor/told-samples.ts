import type { Options } from './evidence.js';
import { current, mainFate, told } from './fates.js';
import type { TokenSample } from './token-sample.js';

/** Where a server with these settings would refuse all of the samples: why, and what to do. */
export function tellSamples(
  samples: readonly TokenSample[],
  options: Pick<Options, 'algorithm' | 'audience' | 'issuer' | 'names'>,
): string | undefined {
  const asked = current(samples);
  if (asked.some(({ fate }) => fate === 'accepted')) return undefined;
  const fate = mainFate(asked);
  if (fate === undefined) return undefined;
  const { what, mend } = told(fate, asked, options);
  return `The newest tokens in the database ${what}: their refreshes will all be refused. ${mend}`;
}

/**
 * Where tokens name nobody by the claim that was set: what that means. As simplejwt does, a refresh takes them, and no
 * user is looked at.
 */
export function tellNobody(
  samples: readonly TokenSample[],
  { names }: Pick<Options, 'names'>,
): string | undefined {
  const asked = current(samples).filter(({ fate }) => fate === 'accepted');
  if (asked.length === 0 || asked.some(({ userId }) => userId !== 'absent')) return undefined;
  return (
    `The newest tokens in the database have no claim ${names.userId}, so no user is looked at: deactivated and deleted ` +
    "users go on refreshing. Give --user-id-claim what Django's SIMPLE_JWT['USER_ID_CLAIM'] says."
  );
}
