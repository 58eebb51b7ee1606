/**
 * Runs `work` while no other tab or worker of this origin runs its own under the same name.
 *
 * The wait ends with `patience`: a tab that was frozen while it held the lock must not keep the others from their
 * tokens. It isn't stolen from either, for its request may be on its way; whoever has waited in vain goes on
 * without, and the server's own lock and the ledger keep that harmless. So do they where there are no Web Locks.
 */
export async function exclusively<T>(
  name: string,
  patience: Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  // Absent in old browsers and on pages without https, whatever the types say.
  const { locks } = navigator as { locks?: LockManager };
  if (locks === undefined) return work();
  const waiting = new AbortController();
  void patience.then(() => waiting.abort());
  const began = { yes: false };
  try {
    return await locks.request(name, { signal: waiting.signal }, () => {
      began.yes = true;
      return work();
    });
  } catch (error) {
    if (began.yes) throw error;
    return work();
  }
}
