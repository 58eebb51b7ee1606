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
