/** Files are absolute paths, read at each connect. */
export interface RedisTls {
  /** False: whoever answers is believed. */
  readonly verify: boolean;
  readonly checkName: boolean;
  /** Instead of what the system trusts. */
  readonly caFile: string | undefined;
  readonly caDirectory: string | undefined;
  readonly caText: string | undefined;
  /** Beside what the system trusts: what Node and OpenSSL were told of. */
  readonly extraRoots: readonly string[];
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Never to be printed or logged. */
  readonly passphrase: string | undefined;
}

/** Where Redis is: alone, a cluster, or a master that sentinels know by name. */
export interface RedisAddress {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** One node; some of the cluster's; or the sentinels. None where there is a path. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Of a Unix socket. */
  readonly path: string | undefined;
  /** What the sentinels call the master. */
  readonly masterName: string | undefined;
  /** How the sentinels themselves are spoken to. */
  readonly sentinel:
    | { readonly username: string | undefined; readonly password: string | undefined; readonly tls: boolean }
    | undefined;
  /** Undefined: no TLS. */
  readonly tls: RedisTls | undefined;
  readonly username: string | undefined;
  /** Never to be printed or logged; nor is that of the sentinels. */
  readonly password: string | undefined;
  readonly database: number;
}

/** As it is told to a person: nothing of user and password. */
export function placeOf({ kind, nodes, path, masterName }: RedisAddress): string {
  if (path !== undefined) return `the socket ${path}`;
  const shown = nodes
    .map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
    .join(', ');
  return kind === 'sentinel' ? `${masterName ?? ''}, by the sentinels ${shown}` : shown;
}
