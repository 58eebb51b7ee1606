/** What of a request has a span of its own: a closed union, for names go to a tracing system. */
export type Part = 'verify' | 'cache' | 'claim' | 'judge' | 'look_up' | 'revoke';

/**
 * A traced request, or a part of it, as it goes on. Who carries one has `Span | undefined`: undefined where nobody traces
 * it, and then nothing is made and nothing is called. No token, no id and no user can be told to it.
 */
export interface Span {
  part(name: Part): Span;
  /** @param result how it ended: a word of one of our unions */
  end(result?: string): void;
}

/** What may be one of several that share a statement. */
export interface Spanned {
  readonly span?: Span | undefined;
}

/**
 * Called before a statement is sent that several requests share. Undefined where none of them is traced; else what is to be
 * called once it has ended, with the error where it failed.
 */
export type OnSharedStatement = (
  statement: string,
  items: readonly Spanned[],
) => ((error?: unknown) => void) | undefined;

/** The work, and the end of its part: with its result, or `failed` where it rejects. */
export function ending<T>(
  part: Span | undefined,
  work: Promise<T>,
  resultOf: (value: T) => string,
): Promise<T> {
  if (part === undefined) return work;
  return work.then(
    (value) => {
      part.end(resultOf(value));
      return value;
    },
    (error: unknown) => {
      part.end('failed');
      throw error;
    },
  );
}
