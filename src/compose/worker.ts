import cluster from 'node:cluster';
import type { FileTexts } from '../config/reader.js';
import type { ServeSettings } from '../config/settings.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import { OrderedRenewals } from './ordered-renewals.js';
import type { Serving } from './serving.js';
import { startServing } from './start-serving.js';
import type { Answers, FromPrimary, FromWorker, Question } from './worker-messages.js';

/** Node counts workers from 1, those that are started again too: the set-up is the same for all. */
const FIRST_WORKER = 1;

/** The channel to the primary; `process` of a worker is one. */
export interface Channel {
  send?(message: unknown, sent: (error: Error | null) => void): unknown;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** What the primary orders. */
export interface Orders {
  /** The files that the settings are made of. */
  readonly files: Promise<FileTexts>;
  /** Resolves when it says that this one is to stop. */
  readonly asked: Promise<'primary'>;
  readonly renewals: OrderedRenewals;
}

/** To be called before anything is started: a primary that stops meanwhile is heard. */
export function listenToPrimary(channel: Channel): Orders {
  const send = (message: FromWorker): void => void channel.send?.(message, () => undefined);
  const renewals = new OrderedRenewals({
    onTaken: (id) => send({ kind: 'renewed', id, taken: true }),
    onFailed: (id) => send({ kind: 'renewed', id, taken: false }),
  });
  const orders = {
    renewals,
    files: new Promise<FileTexts>((resolve) => {
      hear(channel, (order) => {
        if (order.kind === 'renew') renewals.order(order.renewal, order.id);
        if (order.kind !== 'begin') return;
        if (order.renewal !== undefined) renewals.order(order.renewal);
        resolve(order.files);
      });
    }),
    asked: new Promise<'primary'>((resolve) => {
      hear(channel, (order) => {
        if (order.kind === 'stop') resolve('primary');
      });
    }),
  };
  send({ kind: 'here' });
  return orders;
}

function hear(channel: Channel, listener: (order: FromPrimary) => void): void {
  channel.on('message', (message) => listener(message as FromPrimary));
}

/** Tells the primary why this one can't start; resolves when that is on its way. */
export function tellNotStarted(
  channel: Channel,
  why: { readonly code: string; readonly exitCode: number; readonly message: string },
): Promise<void> {
  return new Promise((resolve) => {
    if (channel.send === undefined) resolve();
    else channel.send({ kind: 'not_started', ...why } satisfies FromWorker, () => resolve());
  });
}

/**
 * A server without an admin port of its own: it answers its primary's questions instead.
 *
 * @param signal calls the start off
 * @throws CommandError with what to do about it
 */
export async function startWorker(
  settings: ServeSettings,
  log: Log,
  channel: Channel,
  { renewals }: Orders,
  signal: AbortSignal,
): Promise<Serving> {
  const send = (message: FromWorker): void => void channel.send?.(message, () => undefined);
  const serving = await startServing(settings, log, {
    admin: false,
    tellsSetUp: cluster.worker?.id === FIRST_WORKER,
    signal,
    takesRenewals: (renew) =>
      renewals.takeWith(async (renewal) => {
        try {
          await renew(renewal);
        } catch (error) {
          log.error('reload_failed', describeError(error));
          throw error;
        }
      }),
  });
  const { readiness, kpis, outbox, metrics, exemplars } = serving.inside;
  const answers: { readonly [Q in Question]: () => Answers[Q] | Promise<Answers[Q]> } = {
    readiness,
    kpis,
    outbox,
    exemplars,
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
  hear(channel, (order) => {
    if (order.kind === 'ask') void answer(order.id, order.what);
    if (order.kind === 'drain') serving.startDraining();
  });
  send({ kind: 'listening', url: serving.publicUrl });
  return serving;
}
