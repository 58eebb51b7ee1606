import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Whose word on the address of a client is taken, and the header in which they give it. */
export interface TrustedProxies {
  readonly ranges: readonly { readonly address: string; readonly prefix: number }[];
  /** In lower case. */
  readonly header: string;
}

export const NO_PROXIES: TrustedProxies = { ranges: [], header: 'x-forwarded-for' };

/**
 * Finds a client's address behind proxies (rule 42). Each proxy appends whom it heard: so the header is read from its end,
 * and the first address that is no trusted proxy's is the client's. What stands before it the client may have written.
 */
export class ClientAddress {
  readonly #header: string;
  readonly #trusted = new BlockList();

  /** Without proxies a client's address is its connection's. */
  constructor({ ranges, header }: TrustedProxies) {
    this.#header = header;
    for (const { address, prefix } of ranges)
      this.#trusted.addSubnet(address, prefix, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  /** '' where the connection has broken and nothing is known of it. */
  of(request: IncomingMessage): string {
    let address = plain(request.socket.remoteAddress ?? '');
    const told = request.headers[this.#header];
    if (told === undefined || !this.#isTrusted(address)) return address;
    // Node joins the lines of a header with commas.
    const hops = hopsOf(this.#header, Array.isArray(told) ? told.join() : told);
    for (const hop of hops.reverse()) {
      // `unknown`, a name, a typing error: nobody further than the last proxy is known.
      if (hop === undefined) return address;
      address = hop;
      if (!this.#isTrusted(address)) return address;
    }
    return address;
  }

  /** Whether a trusted proxy sent it. */
  isProxied({ socket }: IncomingMessage): boolean {
    return this.#isTrusted(plain(socket.remoteAddress ?? ''));
  }

  #isTrusted(address: string): boolean {
    return isIP(address) !== 0 && this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/** Undefined for what is no address. */
function hopsOf(header: string, text: string): (string | undefined)[] {
  if (header !== 'forwarded') return text.split(',').map((hop) => addressIn(hop.trim()));
  return elementsOf(text).map((element) => {
    const node = /(?:^|;)\s*for=("(?:[^"\\]|\\.)*"|[^;\s]*)/i.exec(element)?.[1] ?? '';
    return addressIn(node.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1'));
  });
}

/** The elements of `Forwarded` (RFC 7239, 4): a comma in a quoted string separates nothing. */
function elementsOf(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^",]|")+/g)?.map((element) => element.trim()) ?? [];
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`. */
function addressIn(text: string): string | undefined {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = plain(bare);
  return isIP(address) === 0 ? undefined : address;
}

/** One form for each address: without a zone, and IPv4 that came in over IPv6 as IPv4. */
function plain(address: string): string {
  const [bare = ''] = address.toLowerCase().split('%', 1);
  return /^::ffff:([\d.]+)$/.exec(bare)?.[1] ?? bare;
}
