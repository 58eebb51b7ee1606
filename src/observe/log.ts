import { pino, type DestinationStream } from 'pino';
import type { ErrorDescription } from './errors.js';

export { readableLines } from './readable-lines.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * All that may be logged. A field is added here only when it is sure that nobody's input can reach it: the log
 * goes to places where a token must not.
 */
export interface LogFields extends Partial<ErrorDescription> {
  request_id?: string;
  /** Of the W3C's trace context. */
  trace_id?: string;
  /** A client's IP address. */
  address?: string;
  route?: string;
  outcome?: string;
  status?: number;
  duration_ms?: number;
  user_id?: string;
  /** The first 8 characters of a jti: enough to find the row, too few to be anything else. */
  jti_prefix?: string;
  count?: number;
  rows?: number;
  attempt?: number;
  delay_ms?: number;
  lag_ms?: number;
  depth?: number;
  url?: string;
  host?: string;
  port?: number;
  worker?: number;
  version?: string;
  mode?: string;
  kind?: string;
  cause?: string;
  end?: string;
  purpose?: string;
  table?: string;
  check?: string;
  /** A code of observe/alerts. */
  alert?: string;
  severity?: string;
}

export interface Log {
  /** Whether `debug` writes at all: asked before fields are built on the path of every request. */
  readonly debugEnabled: boolean;
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** Whether what is of this level is written. */
  writes(level: 'debug' | 'info' | 'warn' | 'error'): boolean;
  /** Whole lines, in the form of this log and as safe as its own: only for what comes with every request. */
  write(lines: string): void;
}

/** Takes what another process tells for this one. */
export const NO_LOG: Log = {
  debugEnabled: false,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  writes: () => false,
  write: () => undefined,
};

// The type holds at compile time; this holds where an object with more fields than its type is handed over.
// `satisfies` keeps the two in step.
const ALLOWED = {
  request_id: true, trace_id: true, address: true, route: true, outcome: true, status: true, duration_ms: true, user_id: true, jti_prefix: true,
  count: true, rows: true, attempt: true, delay_ms: true, lag_ms: true, depth: true, url: true, host: true,
  port: true, worker: true, version: true, mode: true, kind: true, cause: true, end: true, purpose: true,
  table: true, check: true, alert: true, severity: true, error_name: true, error_code: true, error_constraint: true, error_table: true,
  error_cause: true, error_stack: true,
} satisfies Record<keyof LogFields, true>; // prettier-ignore
const NAMES = Object.keys(ALLOWED) as (keyof LogFields)[];

/** A JWT begins with `{"` or `{ ` in base64url. The last line of defence, not the first. */
const TOKEN = /ey[JA][\w-]{5,}\.[\w-]*(?:\.[\w-]*)?/g;
const TEXT = 400;
const STACK = 4_000;
const JTI_PREFIX = 8;

/** JSON lines, one event each, to `destination`; fields outside of LogFields are dropped. */
export function createLog(options: { level: LogLevel; destination: DestinationStream }): Log {
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination,
  );
  const writer =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (event: string, fields?: LogFields): void => {
      if (logger.isLevelEnabled(level)) logger[level](fields === undefined ? {} : allowed(fields), event);
    };
  return {
    debugEnabled: logger.isLevelEnabled('debug'),
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    writes: (level) => logger.isLevelEnabled(level),
    write(lines) {
      options.destination.write(lines);
    },
  };
}

function allowed(fields: LogFields): Record<string, string | number> {
  const kept: Record<string, string | number> = {};
  for (const name of NAMES) {
    const value: unknown = fields[name];
    if (typeof value === 'number') kept[name] = value;
    if (typeof value === 'string') kept[name] = harmless(name, value);
  }
  return kept;
}

function harmless(name: keyof LogFields, value: string): string {
  if (name === 'jti_prefix') return value.slice(0, JTI_PREFIX);
  const text = name === 'url' ? withoutCredentials(value) : value;
  return withoutTokens(text).slice(0, name === 'error_stack' ? STACK : TEXT);
}

export function withoutTokens(text: string): string {
  return text.replace(TOKEN, '[token]');
}

/** A database's URL holds its password, and a query may hold anything. */
function withoutCredentials(text: string): string {
  if (!URL.canParse(text)) return '[url]';
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  return url.href;
}
