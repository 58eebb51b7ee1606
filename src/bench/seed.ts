import { setTimeout as sleep } from 'node:timers/promises';
import { isAnswer, meaningOf } from './answer-words.js';
import { BenchError } from './error.js';
import type { Session } from './sessions.js';
import type { Side } from './side.js';
import type { Answer } from './target.js';

/** Few at a time: a first refresh has to make its row. */
const SEED_AT_ONCE = 20;

/** Longer than any server thinks about a first refresh; shorter than somebody waits to hear that there is none. */
const FIRST_ANSWER_MS = 10_000;

/** A few tokens that are refused show as errors of the run; from this share on there is no run. */
const MAX_REFUSED_SHARE = 0.1;

type Refusal = Extract<Answer, { readonly ok: false }>;

/**
 * Every session refreshes once: the tokens are good, their rows exist, and the server has seen them. The first one goes
 * alone, so that a server that is not there is told of at once, and no other token is spent.
 *
 * @throws BenchError where it is no target
 */
export async function seed(side: Side): Promise<void> {
  const { target, sessions, url } = side;
  const refused: Refusal[] = [];
  const tooMany = (): boolean => refused.length >= Math.max(1, MAX_REFUSED_SHARE * sessions.length);
  const refresh = async (session: Session): Promise<void> => {
    const answer = await new Promise<Answer>((resolve) =>
      target.refresh(session.token, session.lane, resolve),
    );
    if (!answer.ok) refused.push(answer);
    else {
      session.token = answer.next;
      side.answered += 1;
    }
  };
  const [first, ...others] = sessions;
  if (first !== undefined) {
    const silence = new AbortController();
    const answered = await Promise.race([
      refresh(first).then(() => true),
      sleep(FIRST_ANSWER_MS, false, { signal: silence.signal }).catch(() => true),
    ]);
    silence.abort();
    if (!answered) {
      throw new BenchError(
        'TARGET_UNREACHABLE',
        `${shown(url)} took the connection and gave no answer for ${FIRST_ANSWER_MS / 1_000} s. Is the server stuck, or does something else listen there? Look at its log and its database.`,
      );
    }
    if (refused[0] !== undefined && !isAnswer(refused[0].kind)) throw failure(refused, sessions.length, url);
  }
  let at = 0;
  const worker = async (): Promise<void> => {
    for (let next = others[at++]; next !== undefined && !tooMany(); next = others[at++]) await refresh(next);
  };
  await Promise.all(Array.from({ length: SEED_AT_ONCE }, worker));
  if (tooMany()) throw failure(refused, sessions.length, url);
}

function failure(refused: readonly Refusal[], sessions: number, url: URL): BenchError {
  const counts = new Map<string, number>();
  for (const { kind } of refused) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const [kind, count] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? ['', 0];
  const { code, words } = meaningOf(kind, refused.find((one) => one.kind === kind)?.location);
  if (!isAnswer(kind)) return new BenchError(code, `${shown(url)} could not be reached (${kind}): ${words}`);
  return new BenchError(
    code,
    `${shown(url)} answered ${kind} to ${count} of the first refreshes of ${sessions} sessions: ${words}`,
  );
}

/** Without a query, which may hold a secret. */
function shown({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}
