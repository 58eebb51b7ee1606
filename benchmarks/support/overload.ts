/** One server under open-loop load at several multiples of what it bears. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { query } from '../../test/support/postgres.js';

export interface OverloadOrders {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly phases: readonly { readonly seconds: number; readonly rate: number }[];
  /** How often a client repeats its token after a 503 or no answer; 0: it gives up at once. */
  readonly retries: number;
  /** How long a client waits for an answer. */
  readonly patienceMs: number;
  readonly connections: number;
  readonly seed: number;
}

export interface Phase {
  /** Requests a second, repeats among them. */
  readonly offered: number;
  readonly fresh: number;
  readonly ok: number;
  /** 200s that were answered within the phase. */
  readonly okPerSecond: number;
  readonly perSecond: readonly number[];
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly refused: number;
  readonly refusedP50Ms: number | null;
  readonly refusedP99Ms: number | null;
  readonly other: number;
  readonly noAnswer: number;
  /** When, after the phase's begin, the last of its requests ended that was not a 200 within 250 ms. */
  readonly lastBadMs: number;
}

export interface OverloadResult {
  readonly phases: readonly Phase[];
  /** Tokens whose client gave up without a 200, and the last status it got (0: none). */
  readonly unanswered: readonly (readonly [token: string, status: number])[];
  readonly starved: number;
  readonly connects: number;
  /** How late the generator itself was. */
  readonly lagP99Ms: number;
  readonly cpuUs: number;
  readonly busy: number;
}

export async function overload(orders: OverloadOrders): Promise<OverloadResult> {
  const script = fileURLToPath(new URL('./overload-load.mjs', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (part) => (said += String(part)));
  child.stdin.end(`${JSON.stringify(orders)}\n`);
  await once(child, 'close');
  return JSON.parse(said) as OverloadResult;
}

/** Of tokens whose client was told nothing, or 503: how many are spent all the same. */
export async function spentOf(
  databaseUrl: string,
  unanswered: OverloadResult['unanswered'],
): Promise<{ readonly refused: number; readonly noAnswer: number }> {
  const count = async (tokens: readonly string[]): Promise<number> => {
    const jtis = tokens.map(
      (token) =>
        (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }).jti,
    );
    const [row] = await query<{ n: number }>(
      databaseUrl,
      `SELECT count(*)::int AS n FROM token_blacklist_outstandingtoken o
         JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id WHERE o.jti = ANY($1)`,
      [jtis],
    );
    return row?.n ?? 0;
  };
  const of = (none: boolean) =>
    unanswered.filter(([, status]) => (status === 0) === none).map(([token]) => token);
  return { refused: await count(of(false)), noAnswer: await count(of(true)) };
}
