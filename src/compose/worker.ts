import type { ServeSettings } from '../config/settings.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import { startServing, type Serving } from './serve.js';
import type { Answers, FromPrimary, FromWorker, Question } from './worker-messages.js';

/** The channel to the primary; `process` of a worker is one. */
export interface Channel {
  send?(message: unknown): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/**
 * A server without an admin port of its own: it answers its primary's questions instead.
 *
 * @throws CommandError with what to do about it
 */
export async function startWorker(
  settings: ServeSettings,
  log: Log,
  channel: Channel,
): Promise<Serving & { readonly asked: Promise<void> }> {
  const send = (message: FromWorker): void => void channel.send?.(message);
  const hear = (listener: (order: FromPrimary) => void): unknown =>
    channel.on('message', (message) => listener(message as FromPrimary));
  // Before anything is started: a primary that stops meanwhile is heard.
  const asked = new Promise<void>((resolve) => {
    hear((order) => {
      if (order.kind === 'stop') resolve();
    });
  });
  const serving = await startServing(settings, log, { admin: false });
  const { readiness, kpis, outbox, metrics } = serving.inside;
  const answers: { readonly [Q in Question]: () => Answers[Q] | Promise<Answers[Q]> } = {
    readiness,
    kpis,
    outbox,
    metrics: () => metrics.snapshot(),
  };
  const answer = async (id: number, what: Question): Promise<void> => {
    try {
      send({ kind: 'answer', id, answer: await answers[what]() });
    } catch (error) {
      // The primary goes on without it.
      log.error('worker_gave_no_answer', { kind: what, ...describeError(error) });
    }
  };
  hear((order) => {
    if (order.kind === 'ask') void answer(order.id, order.what);
  });
  send({ kind: 'listening', url: serving.publicUrl });
  return { ...serving, asked };
}
