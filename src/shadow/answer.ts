import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import type { RequestOutcome } from '../observe/requests.js';

/** An answer as it is compared. */
export interface Answer {
  readonly status: number;
  /** In lower case; several of one name are joined. */
  readonly headers: ReadonlyMap<string, string>;
  /** Values of Set-Cookie. */
  readonly cookies: readonly string[];
  /** Undefined: the body is no JSON. */
  readonly json: unknown;
}

/** What this server would answer, and how it would count it. */
export interface OurAnswer extends Answer {
  readonly outcome: RequestOutcome;
  /** The token that was presented; undefined: none was found. */
  readonly token: string | undefined;
}

export function isGranted({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

/** @param raw headers, names and values in turn */
export function answerOf(status: number, raw: readonly string[], body: string): Answer {
  const headers = new Map<string, string>();
  const cookies: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    if (name === 'set-cookie') cookies.push(value);
    else headers.set(name, headers.has(name) ? `${headers.get(name) ?? ''}, ${value}` : value);
  }
  return { status, headers, cookies, json: parsed(body) };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** A body that grows beyond this is no answer of a token endpoint. */
const MOST_BYTES = 256 * 1024;

/** The text of a body, packed or not; undefined: in a way that isn't known here. */
export function textOf(body: Buffer, encoding: string | undefined): string | undefined {
  const limit = { maxOutputLength: MOST_BYTES };
  try {
    switch (encoding?.trim().toLowerCase() ?? 'identity') {
      case 'identity':
        return body.toString();
      case 'gzip':
        return gunzipSync(body, limit).toString();
      case 'deflate':
        return inflateSync(body, limit).toString();
      case 'br':
        return brotliDecompressSync(body, limit).toString();
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}
