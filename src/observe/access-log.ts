import { withoutTokens, type Log } from './log.js';
import type { RequestOutcome, RouteName } from './requests.js';

export interface AccessLine {
  readonly requestId: string;
  /** Undefined where the request belongs to no trace. */
  readonly traceId: string | undefined;
  /** Of the client; '' where its connection is gone. */
  readonly address: string;
  readonly route: RouteName;
  readonly status: number;
  readonly outcome: RequestOutcome;
  readonly durationMs: number;
}

export interface AccessLog {
  /** Asked before anything of a line is found out. */
  wants(status: number): boolean;
  write(line: AccessLine): void;
}

/**
 * Workers share one pipe, and what is written to it in one go stays whole up to PIPE_BUF bytes: 4,096 on Linux, of which all
 * of a line is ASCII. https://man7.org/linux/man-pages/man7/pipe.7.html
 */
const WHOLE_CHARACTERS = 4_096;

/**
 * One line for each request to a token endpoint. `debug` writes all of them where nothing was asked for.
 *
 * The lines are those that `log` would write. They are put together here, and written once a turn of the event loop, for
 * refreshes of one group commit end together: 1.2 µs a line, in place of 5.
 */
export function accessLog(level: 'off' | 'errors' | 'all', log: Log): AccessLog | undefined {
  const at = level === 'off' ? 'debug' : 'info';
  if (!log.writes(at)) return undefined;
  const beginning = `{"level":"${at}","time":"`;
  const beforeId = `","pid":${process.pid},"request_id":"`;
  let time = '';
  let timeMs = NaN;
  let waiting = '';
  const flush = (): void => {
    const text = waiting;
    waiting = '';
    if (text !== '') log.write(text);
  };
  return {
    wants: level === 'errors' ? (status) => status !== 200 : () => true,
    write({ requestId, traceId, address, route, status, outcome, durationMs }) {
      const nowMs = Date.now();
      if (nowMs !== timeMs) {
        timeMs = nowMs;
        time = new Date(nowMs).toISOString();
      }
      // Nothing here needs to be escaped: ids are hex or of the characters that request-id.ts lets pass, an address is
      // one, and the rest are words of our unions and numbers.
      const line =
        beginning + time + beforeId + (requestId.includes('ey') ? withoutTokens(requestId) : requestId) +
        (traceId === undefined ? '"' : `","trace_id":"${traceId}"`) +
        (address === '' ? '' : `,"address":"${address}"`) +
        `,"route":"${route}","outcome":"${outcome}","status":${status},"duration_ms":${Math.round(durationMs * 1000) / 1000},"event":"request"}\n`; // prettier-ignore
      if (waiting.length + line.length > WHOLE_CHARACTERS) flush();
      if (waiting === '') setImmediate(flush);
      waiting += line;
    },
  };
}
