import { isAmong, type Keys } from './key-set.js';

/** What the keys of a server that runs become, or why they can't. */
export type KeyChange =
  | { readonly kind: 'none' }
  /** In this order; all who share the port have taken one before the next is begun. */
  | { readonly kind: 'steps'; readonly accept: Keys; readonly use: Keys }
  | { readonly kind: 'refused'; readonly why: 'algorithm' | 'chain_key_dropped' };

/**
 * Plans a change of keys. Workers can't change in the same instant: one would sign with a key that another doesn't
 * know yet, and its token would be refused there. So first all of them accept what either set accepts, and go on signing as
 * before; then they change.
 *
 * A chain key that is in use stays, or its families could be followed no more. One that is new makes no successors before
 * the change after this one: by then every instance knows it. Pure.
 */
export function planKeyChange(current: Keys, wanted: Keys): KeyChange {
  if (wanted.algorithm !== current.algorithm) return { kind: 'refused', why: 'algorithm' };
  if (!current.chainKeys.every((key) => isAmong(key, wanted.chainKeys)))
    return { kind: 'refused', why: 'chain_key_dropped' };
  if (isSameKeys(current, wanted)) return { kind: 'none' };
  const fresh = wanted.chainKeys.filter((key) => !isAmong(key, current.chainKeys));
  const known = wanted.chainKeys.filter((key) => isAmong(key, current.chainKeys));
  return {
    kind: 'steps',
    accept: {
      ...current,
      verifyingKeys: [
        ...new Set([...current.verifyingKeys, wanted.signingKey, ...wanted.verifyingKeys]),
      ].filter((key) => key !== current.signingKey),
      chainKeys: [...current.chainKeys, ...fresh],
    },
    use: { ...wanted, chainKeys: [...known, ...fresh] },
  };
}

/** Whether nothing changes where one takes the other's place, the order of lists included. */
export function isSameKeys(a: Keys, b: Keys): boolean {
  return (
    a.algorithm === b.algorithm &&
    a.signingKey === b.signingKey &&
    isSameList(a.verifyingKeys, b.verifyingKeys, (x, y) => x === y) &&
    isSameList(a.chainKeys, b.chainKeys, (x, y) => x.equals(y))
  );
}

function isSameList<T>(a: readonly T[], b: readonly T[], isEqual: (x: T, y: T) => boolean): boolean {
  return (
    a.length === b.length &&
    a.every((one, at) => {
      const other = b[at];
      return other !== undefined && isEqual(one, other);
    })
  );
}
