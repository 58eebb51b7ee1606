import { decodeClaim, encodeClaim } from '../cache/claim-entry.js';
import { LetterRetry } from '../outbox/letter-retry.js';
import { Letters } from '../outbox/letters.js';
import type { Claim } from '../rotation/ports.js';
import type { Database } from '../store/database.js';
import type { Owned } from '../store/own-schema.js';
import { DeadLetters } from '../store/dead-letters.js';
import type { ReleaseStack } from './release.js';

/** The claims that the database refused to write, and whether it has a place for them. */
export interface OpenLetters {
  readonly letters: Letters;
  /** False: the migration dead_letters is missing, or nobody is there who could make one. */
  readonly kept: boolean;
  /** False: this role may only read them, and others try them again. */
  readonly mayRetry: boolean;
}

interface LettersOptions {
  /** No Redis, and nobody else on this database: no claim is ever answered before it is written. */
  readonly alone: boolean;
  readonly onCount: (count: number) => void;
}

/** So late an instance without Redis learns of what another one could not write; the others see it in Redis at once. */
const LOOK_EVERY_MS = 1_000;

/** Looks them up before anything is answered: their tokens are spent, and no row says so. Goes on looking. */
export async function openLetters(
  database: Database,
  owned: Owned,
  { alone, onCount }: LettersOptions,
  releases: ReleaseStack,
): Promise<OpenLetters> {
  const box = new DeadLetters(database, owned);
  const letters = new Letters({ box, encode: encodeClaim, decode: decodeClaim, onCount });
  const ready = await box.ready();
  if (ready) await letters.look();
  const kept = ready && !(alone && letters.size === 0);
  if (kept) {
    // A database that is down is told of by others.
    const looking = setInterval(() => void letters.look().catch(() => undefined), LOOK_EVERY_MS).unref();
    releases.add(() => clearInterval(looking));
  }
  return { letters, kept, mayRetry: kept && (await box.mayRetry()) };
}

/** From now on they are tried again, whoever kept them. */
export function retryLetters(
  { letters, mayRetry }: OpenLetters,
  write: (claim: Claim) => Promise<boolean>,
  onTrouble: (error: unknown) => void,
  releases: ReleaseStack,
): void {
  if (!mayRetry) return;
  const retry = new LetterRetry({ letters, write, onTrouble, random: Math.random });
  retry.start();
  releases.add(() => retry.stop());
}
