import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What proxies draw: uuids, hex, nginx' 32 digits, Envoy's and AWS's with signs in between. */
const REQUEST_ID = /^[\w.:+/=@-]{1,128}$/;

/** https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/**
 * By what a request is found in the logs of all that it passed.
 *
 * @param trusted the request comes from a proxy whose word is taken; anybody else's id would be a text of a stranger
 */
export function requestIdOf(headers: IncomingHttpHeaders, trusted: boolean): string {
  const given = headers['x-request-id'];
  return trusted && typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** The trace that a request belongs to; undefined for none. */
export function traceIdOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['traceparent'];
  const id = typeof given === 'string' ? TRACEPARENT.exec(given)?.[1] : undefined;
  return id === undefined || /^0+$/.test(id) ? undefined : id;
}
