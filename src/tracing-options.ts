/** By variables of OpenTelemetry's; what the exporter reads by itself (endpoint, headers, certificates) is not among them. */
export interface TracingOptions {
  readonly protocol: 'http/protobuf' | 'http/json';
  readonly sampler: {
    readonly kind: 'always_on' | 'always_off' | 'traceidratio';
    readonly ratio: number;
    /** A sampled parent is followed, and so is one that is not. */
    readonly parentBased: boolean;
  };
  /** False: each request begins a trace of its own. */
  readonly continues: boolean;
  readonly queue: {
    readonly maxSpans: number;
    readonly maxBatch: number;
    readonly delayMs: number;
    readonly timeoutMs: number;
  };
}
