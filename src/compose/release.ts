type Release = () => Promise<void> | void;

/**
 * What was acquired, to be given back in reverse order, whether starting fails half-way or stopping comes in the
 * end. Every release is tried; the first error is kept and thrown when all are done.
 */
export class ReleaseStack {
  readonly #releases: Release[] = [];

  add(release: Release): void {
    this.#releases.push(release);
  }

  /** Releases all that was added, once; a second call finds nothing left. */
  async release(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (let next = this.#releases.pop(); next !== undefined; next = this.#releases.pop()) {
      try {
        await next();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }
}
