/**
 * Runs `work` while no other tab or worker of this origin runs its own under the same name.
 *
 * The wait ends with `patience`: a tab that was frozen while it held the lock must not keep the others from their
 * tokens. It isn't stolen from either, for its request may be on its way. Who has waited in vain takes turns with the
 * others who have, by a second lock: else a whole ward's tabs would set off in the same moment. Who waits in vain for
 * that one, too, goes on without, and the server's own lock and the ledger keep that harmless; so do they where there
 * are no Web Locks.
 */
export async function exclusively<T>(
  name: string,
  patience: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  // Absent in old browsers and on pages without https, whatever the types say.
  const { locks } = navigator as { locks?: LockManager };
  let done: Promise<T> | undefined;
  for (const lock of [name, `${name}:late`]) {
    const waiting = new AbortController();
    void patience().then(() => waiting.abort());
    await locks?.request(lock, { signal: waiting.signal }, () => (done = work())).catch(() => undefined);
    if (done) return done;
  }
  return work();
}
