import { encodable } from './encoding.js';

/** How a token's user id must look to fit the column it is compared with. */
export type UserKeyType = 'smallint' | 'integer' | 'bigint' | 'numeric' | 'uuid' | 'text';

/** @param sqlType as `format_type` writes it */
export function userKeyTypeOf(sqlType: string): UserKeyType {
  switch (sqlType) {
    case 'smallint':
    case 'integer':
    case 'bigint':
    case 'numeric':
    case 'uuid':
      return sqlType;
    default:
      return 'text';
  }
}

const BITS = { smallint: 16, integer: 32, bigint: 64, numeric: 128 } as const;
const UUID = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i;

/**
 * A user id in the form in which PostgreSQL writes it, or undefined where it doesn't fit the type. Checked
 * before it is sent: one value that can't be cast would fail the whole batch it shares a statement with.
 */
export function canonicalUserKey(type: UserKeyType, key: string): string | undefined {
  switch (type) {
    case 'text':
      return key;
    case 'uuid': {
      const parts = UUID.exec(key);
      return parts?.slice(1).join('-').toLowerCase();
    }
    default: {
      if (!/^[+-]?\d{1,39}$/.test(key)) return undefined;
      const number = BigInt(key.startsWith('+') ? key.slice(1) : key);
      return BigInt.asIntN(BITS[type], number) === number ? number.toString() : undefined;
    }
  }
}

/** The same, and undefined as well where the database's encoding can't hold it. */
export function fittingUserKey(
  { encoding, userKeyType }: { readonly encoding: string; readonly userKeyType: UserKeyType },
  key: string,
): string | undefined {
  return encodable(encoding, key) ? canonicalUserKey(userKeyType, key) : undefined;
}
