import type { IncomingHttpHeaders } from 'node:http';
import type { OnSharedStatement, Span } from '../rotation/span.js';
import type { RequestOutcome, RouteName } from './requests.js';

/** A request that is traced: its server span. */
export interface RequestTrace extends Span {
  readonly traceId: string;
  answered(status: number, outcome: RequestOutcome): void;
}

/** What `observe/tracing.ts` offers. This file is for whoever holds one: it loads nothing. */
export interface Tracing {
  /** Continues the trace of the request's `traceparent`, or begins one. Undefined: it is not sampled, and costs no more. */
  begin(route: RouteName, headers: IncomingHttpHeaders): RequestTrace | undefined;
  /** The span of a statement that requests share, linked to each of them that is traced. */
  readonly onStatement: OnSharedStatement;
  /** Sends what is left, for a second at most. */
  stop(): Promise<void>;
}
