/** Another session that stands in the way. */
export interface Blocker {
  /** 0: a prepared transaction. */
  readonly pid: number;
  readonly user: string | undefined;
  readonly application: string | undefined;
  readonly state: string | undefined;
  /** Of its transaction. */
  readonly ageMs: number | undefined;
  /** Shortened, and without the values in it: they can be tokens. */
  readonly query: string | undefined;
}
