import type { Fate } from '../token-sample.js';
import {
  cannotTell,
  fault,
  note,
  ofTables,
  warning,
  type Check,
  type Finding,
  type Reached,
  type Unknown,
} from '../check.js';
import type { Options } from '../evidence.js';
import { told } from '../fates.js';
import { ofOurSamples } from './tokens.js';

const NUMBERS = new Set(['smallint', 'integer', 'bigint']);

/** What checks say that need the schema as `serve` reads it. */
export function withoutSchema({ schema }: Reached): Unknown {
  if (schema.kind === 'unread') return cannotTell(schema.why);
  return cannotTell(
    schema.kind === 'refused' && schema.code === 'CARELINK_SCHEMA_MISSING'
      ? '`carelink-tokens migrate` has not run yet'
      : 'the tables could not be read, which another check tells',
  );
}

export const USER_CHECKS: readonly Check[] = [
  ofTables('user_table', 'the table of users is found', (database, { options }) => {
    const { schema } = database;
    if (schema.kind === 'refused' && schema.code === 'USER_TABLE_MISSING') {
      return [fault(schema.message, 'Correct --user-table, --user-id-column or --user-active-column.')];
    }
    if (schema.kind === 'refused' && schema.code === 'HASH_UNAVAILABLE') {
      return [fault(schema.message, 'Correct --revoke-claim-hash, or leave --revoke-claim out.')];
    }
    if (schema.kind !== 'read') return withoutSchema(database);
    if (options.userCheck === 'off') return [];
    if (schema.userTable !== undefined) return ofUsers(schema.userTable, schema, options);
    return [
      warning(
        'No user table was found: deactivated and deleted users go on refreshing.',
        'Name it with --user-table, --user-id-column and --user-active-column.',
      ),
    ];
  }),
  ofOurSamples('user_ids', "tokens' user ids are what the tables hold", (samples, database, { options }) => {
    const { schema, facts } = database;
    if (samples.every(({ userId }) => userId === 'absent')) {
      const has = [...new Set(samples.flatMap(({ claims }) => claims))].sort().join(', ');
      return [
        fault(
          `The newest tokens have no claim ${options.names.userId}; they have ${has}.`,
          "Give --user-id-claim the name that Django's USER_ID_CLAIM has.",
        ),
      ];
    }
    if (schema.kind !== 'read') return withoutSchema(database);
    const unfit = samples.filter(({ fate }) => fate === 'user_unfit');
    if (unfit.length > 0) {
      return [
        fault(
          `User ids of ${unfit.length} of ${samples.length} tokens don't fit the key of users, which is of the type ${schema.userIdType}.`,
          told('user_unfit', unfit, options).mend,
        ),
      ];
    }
    const texts = samples.some(({ userId }) => userId === 'text');
    const numbers = samples.some(({ userId }) => userId === 'number');
    // Of a key that is no number every version writes the text.
    if (!NUMBERS.has(schema.userIdType)) return [];
    if (texts && numbers) {
      return [
        note(
          'Some tokens name users by number and some by text: simplejwt was updated to 5.5.1 or later, or two versions are at work.',
          'Both are accepted; nothing is to be done.',
        ),
      ];
    }
    if (texts && options.compat === '5.2') {
      return [
        note(
          'Tokens name users by text, as simplejwt does from 5.5.1 on; --simplejwt-compat is 5.2.',
          'If clients compare texts of errors, set --simplejwt-compat 5.5.',
        ),
      ];
    }
    const applied = 'value' in facts.django_migrations ? facts.django_migrations.value : [];
    // Since an update, and until its tokens have expired, rotation keeps the numbers.
    if (!numbers || options.compat === '5.2' || applied.includes(OF_5_5_1)) return [];
    return [
      note(
        'Tokens name users by number: simplejwt is 5.5.0 or before; --simplejwt-compat is 5.5.',
        'If clients compare texts of errors, see `pip show djangorestframework-simplejwt`: below 5.5.0 set --simplejwt-compat 5.2.',
      ),
    ];
  }),
  ofOurSamples('users_active', "the tokens' users are there and active", (samples, database, { options }) => {
    if (database.schema.kind !== 'read') return withoutSchema(database);
    const judged = samples.filter(({ fate }) => isActive(fate) || fate === 'inactive');
    if (judged.length === 0) return cannotTell('no token of the sample gets as far as its user');
    if (judged.some(({ fate }) => isActive(fate))) return [];
    const { what, mend } = told('inactive', judged, options);
    return [fault(`All of ${judged.length} sampled tokens ${what}: they are all refused.`, mend)];
  }),
];

/** Whoever changed a password is there and active: that is asked first. */
const isActive = (fate: Fate): boolean => fate === 'accepted' || fate === 'password_changed';

/** What is found, and isn't all that could be said of who may refresh. */
function ofUsers(
  table: string,
  { unreadColumns, view }: Extract<Reached['schema'], { kind: 'read' }>,
  { userCheck, blacklist }: Options,
): Finding[] {
  const found: Finding[] = [];
  if (view !== undefined && blacklist === 'async') {
    found.push(
      fault(
        `--blacklist async can't be kept with the view ${table}: no trigger tells of what a view reads.`,
        'Leave --blacklist out, or say sync.',
      ),
    );
  }
  if (view !== undefined && 'value' in view.doubled && view.doubled.value) {
    found.push(
      fault(
        `The view ${table} has two rows for some user: each must say that he is active, and his claims are not used.`,
        'Let the view have one row for each user: a join with a table of many rows wants EXISTS, or an aggregate.',
      ),
    );
  }
  if (userCheck === 'exists') {
    found.push(
      note(
        'By --user-check exists only users who were deleted are refused.',
        'Where some users may not log in, make a view that says so, and name it with --user-table.',
      ),
    );
  }
  if (unreadColumns.length > 0) {
    found.push(
      note(
        `${table} has the column ${unreadColumns.join(', ')}, which is not read.`,
        "Where Django's USER_AUTHENTICATION_RULE asks for it, make a view that says who may refresh, and name it with --user-table.",
      ),
    );
  }
  return found;
}

/** simplejwt 5.5.1 brought this migration, and ids as text. */
const OF_5_5_1 = '0013_alter_blacklistedtoken_options_and_more';
