import { Gauge, type Registry } from 'prom-client';

/** Outcomes by which a whole site is refused where the server's settings are not Django's. */
export const REFUSALS = ['invalid', 'malformed', 'inactive', 'password_changed'] as const;
export type Refusal = (typeof REFUSALS)[number];

const WINDOW_MS = 5 * 60_000;
/** So many different ones say all there is to say. */
const REMEMBERED = 100;
/** Whoever floods the server with tokens costs it no more than that a second. */
const LOOKS_A_SECOND = 50;
/** The end of the signature: tells tokens apart, and is none. */
const TAIL = 16;

/**
 * Counts the different tokens that were refused though they look right, and the clients that sent them. It is asked on
 * refusals alone.
 */
export class Refusals {
  readonly #monotonicMs: () => number;
  readonly #seen = new Map(
    REFUSALS.map((outcome) => [
      outcome,
      { tokens: new Map<string, number>(), clients: new Map<string, number>() },
    ]),
  );
  #second = 0;
  #looks = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  saw(outcome: string, token: string, client: string): void {
    const seen = this.#seen.get(outcome as Refusal);
    if (seen === undefined || !this.#mayLook() || !looksRight(token)) return;
    const nowMs = this.#monotonicMs();
    remember(seen.tokens, token.slice(-TAIL), nowMs);
    remember(seen.clients, client, nowMs);
  }

  /** Of the last five minutes, 100 at most. */
  count(outcome: Refusal, what: 'tokens' | 'clients'): number {
    const since = this.#monotonicMs() - WINDOW_MS;
    let count = 0;
    for (const atMs of this.#seen.get(outcome)?.[what].values() ?? []) if (atMs >= since) count++;
    return count;
  }

  #mayLook(): boolean {
    const second = Math.floor(this.#monotonicMs() / 1000);
    if (second !== this.#second) [this.#second, this.#looks] = [second, 0];
    return this.#looks++ < LOOKS_A_SECOND;
  }
}

/** The newest last. */
function remember(map: Map<string, number>, key: string, nowMs: number): void {
  map.delete(key);
  map.set(key, nowMs);
  if (map.size <= REMEMBERED) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** A JWT that has not expired, by its own word. What is typed in by hand or drawn at random is none. */
function looksRight(token: string): boolean {
  const [, payload = '', signature] = token.split('.', 4);
  if (signature === undefined || signature.length < TAIL) return false;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown };
    return typeof exp === 'number' && exp * 1000 > Date.now();
  } catch {
    return false;
  }
}

/** Registers them; label values come from a closed union. */
export function refusalMetrics(registry: Registry, refusals: Refusals): void {
  const registers = [registry];
  const tokens = new Gauge({
    name: 'carelink_refused_tokens',
    help: 'Different tokens that look right and were refused in the last five minutes, 100 at most, by outcome.',
    labelNames: ['outcome'],
    registers,
    collect() {
      for (const outcome of REFUSALS) tokens.set({ outcome }, refusals.count(outcome, 'tokens'));
    },
  });
  const clients = new Gauge({
    name: 'carelink_refused_clients',
    help: 'Clients that sent them, 100 at most, by outcome.',
    labelNames: ['outcome'],
    registers,
    // The same client comes to several workers.
    aggregator: 'max',
    collect() {
      for (const outcome of REFUSALS) clients.set({ outcome }, refusals.count(outcome, 'clients'));
    },
  });
}
