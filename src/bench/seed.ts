import { BenchError } from './error.js';
import type { Side } from './side.js';
import type { Answer } from './target.js';

/** Few at a time: a first refresh has to make its row. */
const SEED_AT_ONCE = 20;

/** Every session refreshes once: the tokens are good, their rows exist, and the server has seen them. */
export async function seed({ target, sessions, url }: Side): Promise<void> {
  const refused = new Map<string, number>();
  let at = 0;
  const worker = async (): Promise<void> => {
    for (let session = sessions[at++]; session !== undefined; session = sessions[at++]) {
      const { token, lane } = session;
      const answer = await new Promise<Answer>((resolve) => target.refresh(token, lane, resolve));
      if (answer.ok) session.token = answer.next;
      else refused.set(answer.kind, (refused.get(answer.kind) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: SEED_AT_ONCE }, worker));
  const [first] = [...refused].sort(([, a], [, b]) => b - a);
  const count = [...refused.values()].reduce((sum, n) => sum + n, 0);
  // A few lost ones show as errors of the run.
  if (first === undefined || count * 10 < sessions.length) return;
  const [kind] = first;
  const at_ = `${url.origin}${url.pathname}`;
  if (!kind.startsWith('HTTP') && kind !== 'no token in a 200') {
    throw new BenchError(
      'TARGET_UNREACHABLE',
      `${at_} could not be reached (${kind}). Is it running, and is the URL right?`,
    );
  }
  if (kind === 'HTTP 401') {
    throw new BenchError(
      'TOKENS_REFUSED',
      `${at_} refused ${count} of ${sessions.length} tokens. A run spends its tokens: were these given before? Else: is it the key that it verifies with, and do users of these ids exist there (--first-user-id)? Or give fresh tokens with --tokens.`,
    );
  }
  throw new BenchError(
    'NOT_A_REFRESH_ENDPOINT',
    `${at_} answered ${kind} to a refresh. Is it the URL of a refresh endpoint?`,
  );
}
