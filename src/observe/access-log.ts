import type { Log } from './log.js';
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

/** One line for each request to a token endpoint. `debug` writes all of them where nothing was asked for. */
export function accessLog(level: 'off' | 'errors' | 'all', log: Log): AccessLog | undefined {
  if (level === 'off' && !log.debugEnabled) return undefined;
  const at = level === 'off' ? 'debug' : 'info';
  return {
    wants: level === 'errors' ? (status) => status !== 200 : () => true,
    write({ requestId, traceId, address, route, status, outcome, durationMs }) {
      log[at]('request', {
        request_id: requestId,
        ...(traceId === undefined ? {} : { trace_id: traceId }),
        ...(address === '' ? {} : { address }),
        route,
        status,
        outcome,
        duration_ms: Math.round(durationMs * 1000) / 1000,
      });
    },
  };
}
