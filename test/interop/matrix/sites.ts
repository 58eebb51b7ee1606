/** Two settings of a site that change many answers: whether it has the blacklist app, and CHECK_REVOKE_TOKEN. */
import { query } from '../../support/postgres.js';

export interface Site {
  readonly name: string;
  readonly app: boolean;
  readonly check: boolean;
}

/** Asked case by case: matrix-5.2.test.ts and matrix-5.5.test.ts. */
export const FIRST: Site = { name: 'the app', app: true, check: false };

/** Asked as a whole: matrix-sites.test.ts and test/system/interop-sites.test.ts. */
export const SITES: readonly Site[] = [
  { name: 'the app, CHECK_REVOKE_TOKEN', app: true, check: true },
  { name: 'no app', app: false, check: false },
  { name: 'no app, CHECK_REVOKE_TOKEN', app: false, check: true },
];

/** Without the app it is simplejwt's default site, which does not rotate. */
export function settingsOf({ app, check }: Site): Readonly<Record<string, string>> {
  const flag = (on: boolean) => (on ? '1' : '0');
  return {
    DJANGO_BLACKLIST_APP: flag(app),
    DJANGO_ROTATE: flag(app),
    DJANGO_BLACKLIST: flag(app),
    DJANGO_CHECK_REVOKE: flag(check),
  };
}

export const tablesOf = ({ app }: Site): readonly string[] => (app ? [] : ['--token-tables', 'none']);

export function flagsOf(site: Site): readonly string[] {
  return [
    ...tablesOf(site),
    ...(site.app ? [] : ['--rotation', 'off', '--user-table', 'auth_user']),
    ...(site.check ? ['--revoke-claim', 'hash_password'] : []),
  ];
}

/** Of everybody's password: so the claim of every good token is the same in each record. */
export const HASH = '949141BA2A989DC2D058E9A3ABAC2E3C';

export async function givePasswords(database: string): Promise<void> {
  await query(database, `UPDATE auth_user SET password = 'the same for everybody'`);
}
