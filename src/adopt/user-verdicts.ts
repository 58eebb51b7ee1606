import { keepsUsersOut } from '../store/user-exclusions.js';
import type { Active, Facts } from './facts.js';
import { hasApp, settingOf, type Site } from './site.js';
import { cannot, kept, same, type Row } from './verdict.js';

type User = NonNullable<Facts['user']>;

const DEFAULT_RULE = 'rest_framework_simplejwt.authentication.default_user_authentication_rule';
const MAKE_A_VIEW =
  'Make a view that says who may refresh (docs/who-may-refresh.md), and give its name: --user-view carelink_users.';

/** Who may refresh: the model, its key, its active column, and the Python that decides beside them. */
export function userRows(site: Site): Row[] {
  const { user } = site.facts;
  if (user === null) return [];
  return [
    modelRow(site, user),
    keyRow(site, user),
    ...(site.choices.userView === undefined ? ofTable(site, user) : ofView(site, user)),
  ];
}

function modelRow(site: Site, user: User): Row {
  const told = `${user.model} (${user.table})`;
  const { userView } = site.choices;
  if (userView !== undefined)
    return kept('AUTH_USER_MODEL', told, { 'user-table': userView }, 'Your view says who may refresh.');
  const suspicious = user.columns.filter(keepsUsersOut);
  // With token tables the foreign key leads there. A column such as `deleted_at` stops the start unless the table is named.
  if (hasApp(site) && suspicious.length === 0)
    return same('AUTH_USER_MODEL', told, 'The foreign key of the token table leads to it.');
  const means =
    suspicious.length > 0
      ? `The column ${suspicious.join(', ')} keeps nobody out in Django, so the table is named as it is.`
      : 'Users who are inactive or gone are refused.';
  return kept('AUTH_USER_MODEL', told, { 'user-table': qualified(site, user) }, means);
}

function keyRow({ choices }: Site, { id_field: field, primary_key: primary, table }: User): Row {
  const setting = 'USER_ID_FIELD';
  if (field === null) return cannot(setting, '(no such field)', 'simplejwt would fail on it, too.');
  const told = `${field.name} (column ${field.column})`;
  if (!field.unique)
    return cannot(setting, told, 'Several users may have one value, so a token is of nobody in particular.');
  // A view calls the user's key `id`, whatever the table does.
  if (field.primary)
    return same(setting, told, choices.userView === undefined ? 'It is the key.' : 'The view has it as id.');
  if (choices.userView === undefined && field.table !== table)
    return cannot(setting, told, `It is a column of ${field.table}, the parent of ${table}. ${MAKE_A_VIEW}`);
  return kept(
    setting,
    told,
    { 'user-id-column': field.column },
    `Tokens hold it in place of the key ${primary.column}.`,
  );
}

/** No view: all that decides must be one column of the table. */
function ofTable(site: Site, user: User): Row[] {
  const rows = [ruleRow(user)];
  const { active } = user;
  const checked = settingOf(site, 'CHECK_USER_IS_ACTIVE');
  if (checked === false)
    rows.push(
      kept(
        'CHECK_USER_IS_ACTIVE',
        checked,
        { 'user-check': 'exists' },
        'Inactive users go on refreshing, as in Django. Deleted ones do not.',
      ),
    );
  else rows.push(activeRow(active, user.table));
  if (user.manager_filters)
    rows.push(
      cannot(
        'the manager `objects`',
        user.manager,
        `It has a query of its own, so it may hide users (soft deletion). ${MAKE_A_VIEW}`,
      ),
    );
  return rows;
}

function ruleRow({ rule }: User): Row {
  const setting = 'USER_AUTHENTICATION_RULE';
  if (rule === DEFAULT_RULE) return same(setting, rule, 'is_active is asked, and nothing else.');
  return cannot(setting, rule, `Its Python is not run here. ${MAKE_A_VIEW}`);
}

/** What a number column is to Django is a number to PostgreSQL, and counts where it isn't 0. */
const READABLE =
  /^(Boolean|NullBoolean|SmallInteger|Integer|BigInteger|PositiveInteger|PositiveSmallInteger)Field$/;

function activeRow(active: Active, table: string): Row {
  const setting = 'is_active';
  switch (active.kind) {
    case 'column':
      if (active.table !== table)
        return cannot(
          setting,
          `column of ${active.table}`,
          `It is in the parent of ${table}. ${MAKE_A_VIEW}`,
        );
      if (!READABLE.test(active.type))
        return cannot(setting, active.type, `It is neither a boolean nor a number. ${MAKE_A_VIEW}`);
      return kept(
        setting,
        `column ${active.column}`,
        { 'user-active-column': active.column },
        'Who is inactive is refused at the next refresh.',
      );
    case 'constant':
      return active.value
        ? kept(
            setting,
            'always True',
            { 'user-check': 'exists' },
            'No column says it, so only deleted users are refused, as in Django.',
          )
        : cannot(setting, 'always False', 'Nobody may use the API in Django.');
    case 'python':
      return cannot(setting, 'a property in Python', `Its Python is not run here. ${MAKE_A_VIEW}`);
    case 'absent':
      return cannot(setting, '(none)', `simplejwt asks the user for it. ${MAKE_A_VIEW}`);
  }
}

/** A view stands for the rule, the manager and the column; whether it says the same is for the site to know. */
function ofView(site: Site, user: User): Row[] {
  const view = site.choices.userView ?? '';
  const means = `Your view ${view} stands for it.`;
  const set = { 'user-table': view };
  const rows = [
    kept('USER_AUTHENTICATION_RULE', user.rule, user.rule === DEFAULT_RULE ? {} : set, means),
    kept('is_active', user.active.kind, set, means),
  ];
  if (user.manager_filters) rows.push(kept('the manager `objects`', user.manager, set, means));
  const checked = settingOf(site, 'CHECK_USER_IS_ACTIVE');
  if (checked === false) rows.push(kept('CHECK_USER_IS_ACTIVE', checked, set, means));
  return rows;
}

/** As `--user-table` takes it. */
function qualified({ facts }: Site, { table }: User): string {
  const schema = facts.token_blacklist?.user_schema;
  // `"hr"."staff"`, by which Django is brought to name a schema.
  if (table.includes('"')) return table.startsWith('"') ? table : `"${table}"`;
  return schema === null || schema === undefined || schema === 'public'
    ? quoted(table)
    : `${quoted(schema)}.${quoted(table)}`;
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
