import { setTimeout as sleep } from 'node:timers/promises';
import { refresh } from './api.js';

export interface Round {
  /** How many of the refreshes succeeded, by the place they went to. */
  readonly winners: readonly number[];
  readonly statuses: readonly number[];
}

/**
 * Presents one token to several places, `each` times to each, all at once.
 *
 * @param leadMs how much later than to the first place it is presented to the others
 */
export async function race(urls: readonly string[], each: number, token: string, leadMs = 0): Promise<Round> {
  const targets = Array.from({ length: each }, () => urls).flat();
  const replies = await Promise.all(
    targets.map(async (url) => {
      if (leadMs > 0 && url !== urls[0]) await sleep(leadMs);
      return { url, status: (await refresh(url, token)).status };
    }),
  );
  return {
    winners: urls.map((place) => replies.filter(({ url, status }) => url === place && status === 200).length),
    statuses: replies.map(({ status }) => status),
  };
}

/**
 * The lead of the first place in the next round: longer after it lost, shorter after it won. So the two come to meet,
 * however slow either is on a busy machine, and both win some rounds.
 */
export function nextLead(leadMs: number, { winners }: Round): number {
  return (winners[0] ?? 0) > 0 ? leadMs / 2 : Math.min(MAX_LEAD_MS, Math.max(1, leadMs * 1.5));
}

const MAX_LEAD_MS = 2_000;

/** "1: 3 rounds, 2: 17 rounds": how often how many won. */
export function distribution(rounds: readonly Round[]): string {
  const counts = new Map<number, number>();
  for (const { winners } of rounds) {
    const total = sum(winners);
    counts.set(total, (counts.get(total) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([winners, times]) => `${winners}: ${times} rounds`)
    .join(', ');
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
