export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is: alone, a cluster, or a master that sentinels know by name. */
export interface RedisAddress {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** One node; some of the cluster's; or the sentinels. */
  readonly nodes: readonly RedisNode[];
  readonly masterName: string | undefined;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}
