import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Whose word on the address of a client is taken, and the header in which they give it. */
export interface TrustedProxies {
  /** With `unix:` as address: whoever connects to the socket that is listened on, and has no address. */
  readonly ranges: readonly { readonly address: string; readonly prefix: number }[];
  /** In lower case. */
  readonly header: string;
}

/** In place of an address: it is trusted only where a socket is all that is listened on (config/edge-settings.ts). */
const UNIX_PEERS = 'unix:';

export const NO_PROXIES: TrustedProxies = { ranges: [], header: 'x-forwarded-for' };

/**
 * Finds a client's address behind proxies (rule 42). Each proxy appends whom it heard: so the header is read from its end,
 * and the first address that is no trusted proxy's is the client's. What stands before it the client may have written.
 */
export class ClientAddress {
  readonly #header: string;
  readonly #trusted = new BlockList();
  readonly #trustsPeers: boolean;
  readonly #hasRanges: boolean;
  /** The peer that was judged last: behind a proxy it is the same for all. Node makes an object for each look into the list. */
  #peer = { address: '', isTrusted: false };

  /** Without proxies a client's address is its connection's. */
  constructor({ ranges, header }: TrustedProxies) {
    this.#header = header;
    this.#trustsPeers = ranges.some(({ address }) => address === UNIX_PEERS);
    this.#hasRanges = ranges.length > 0;
    for (const { address, prefix } of ranges) {
      if (address === UNIX_PEERS) continue;
      this.#trusted.addSubnet(address, prefix, isIPv6(address) ? 'ipv6' : 'ipv4');
    }
  }

  /** Node tells the address of a connection that has broken only where it was asked for it before. */
  remember({ socket }: IncomingMessage): string | undefined {
    return socket.remoteAddress;
  }

  /** '' where the connection has broken and nothing is known of it. */
  of(request: IncomingMessage): string {
    let address = plain(request.socket.remoteAddress ?? '');
    const told = request.headers[this.#header];
    if (told === undefined || !this.#isTrustedPeer(address)) return address;
    // Node joins the lines of a header with commas.
    const text = Array.isArray(told) ? told.join() : told;
    const isForwarded = this.#header === 'forwarded';
    for (const part of partsOf(text, isForwarded)) {
      const hop = isForwarded ? nodeIn(part) : addressIn(part);
      // `unknown`, a name, a typing error: nobody further than the last proxy is known.
      if (hop === undefined) return address;
      address = hop;
      if (!this.#isTrusted(address)) return address;
    }
    return address;
  }

  /** Whether a trusted proxy sent it. */
  isProxied({ socket }: IncomingMessage): boolean {
    return this.#isTrustedPeer(plain(socket.remoteAddress ?? ''));
  }

  #isTrustedPeer(address: string): boolean {
    if (this.#trustsPeers) return address === '';
    if (this.#peer.address !== address) this.#peer = { address, isTrusted: this.#isTrusted(address) };
    return this.#peer.isTrusted;
  }

  #isTrusted(address: string): boolean {
    return (
      this.#hasRanges &&
      isIP(address) !== 0 &&
      this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
    );
  }
}

/**
 * What stands between commas, the last one first. In `Forwarded` (RFC 7239, 4) a comma in a quoted string separates nothing;
 * quotes are read from the end as well, or one that a client leaves open would swallow what a proxy appends.
 */
function* partsOf(text: string, mayQuote: boolean): Generator<string> {
  let end = text.length;
  let isQuoted = false;
  for (let at = end - 1; at >= 0; at--) {
    if (mayQuote && text[at] === '"' && !isEscaped(text, at)) isQuoted = !isQuoted;
    if (text[at] !== ',' || isQuoted) continue;
    yield text.slice(at + 1, end).trim();
    end = at;
  }
  yield isQuoted ? '' : text.slice(0, end).trim();
}

function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === '\\') before--;
  return (at - before) % 2 === 1;
}

/** One `name=value` of an element, with what ends it. Linear in its length, whatever a client writes. */
const PAIR = /[ \t]*(?:([!#$%&'*+.^_`|~\w-]+)=("(?:[^"\\]|\\.)*"|[^;"\s]*)[ \t]*)?(?:;|$)/y;

/** The address that an element of `Forwarded` is `for`; undefined where that is none. */
function nodeIn(element: string): string | undefined {
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < element.length) {
    const pair = PAIR.exec(element);
    if (pair === null) return undefined;
    const [, name, value = ''] = pair;
    if (name?.toLowerCase() === 'for')
      return addressIn(value.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1'));
  }
  return undefined;
}

/** Of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function addressIn(text: string): string | undefined {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = plain(bare);
  return isIP(address) === 0 ? undefined : address;
}

/** Whom a rate counts as one. Whoever has one address of IPv6 has all of its network of 64 bits. */
export function countedAs(address: string): string {
  if (!isIPv6(address)) return address;
  const [before, after] = address
    .split('::', 2)
    .map((half) => half.split(':').filter((group) => group !== ''));
  const groups = [...(before ?? [])];
  if (after !== undefined)
    groups.push(...Array<string>(8 - groups.length - after.length).fill('0'), ...after);
  const network = groups.slice(0, 4);
  return network.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

/** One form for each address: without a zone, and IPv4 that came in over IPv6 as IPv4. */
function plain(address: string): string {
  const [bare = ''] = address.toLowerCase().split('%', 1);
  return /^::ffff:([\d.]+)$/.exec(bare)?.[1] ?? bare;
}
