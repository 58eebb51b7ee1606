import type { TokenSchema } from '../../src/store/schema.js';
import { userKeyTypeOf } from '../../src/store/user-key.js';
import type { UserSource } from '../../src/store/user-source.js';

const relation = { schema: 'public', name: 'x', qualified: 'public.x' };

/** Django's own user table. */
export const USERS: UserSource = {
  name: 'public.auth_user',
  relation,
  kind: 'table',
  keyColumn: 'id',
  keyType: 'integer',
  primaryColumn: 'id',
  activeColumn: 'is_active',
  activeType: 'boolean',
  unread: [],
  columns: { key: 'id', primary: 'id', active: 'is_active' },
};

/** A site as Django makes it, for the texts of statements. */
export const SCHEMA: TokenSchema = {
  outstanding: 'public.outstanding',
  blacklisted: 'public.blacklisted',
  relations: { outstanding: relation, blacklisted: relation },
  userIdType: 'integer',
  users: USERS,
  userKeyType: userKeyTypeOf('integer'),
  mayKeep: true,
  encoding: 'UTF8',
  own: 'carelink',
  homeUnwritten: false,
};
