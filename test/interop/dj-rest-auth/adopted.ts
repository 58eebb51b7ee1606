import type { Row } from '../../../src/adopt/index.js';
import type { ShadowDocument } from '../../../src/shadow/report.js';
import { adoptSite, serveAdopted } from '../../support/adopted.js';
import { startDjango } from '../../support/django.js';
import { freshDatabase } from '../../support/postgres.js';
import { send } from '../http.js';
import { world } from '../matrix/world.js';
import { COOKIE_CASES } from './cases.js';
import type { CookieSite } from './sites.js';

export interface Shadowed {
  readonly options: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  readonly report: ShadowDocument;
}

/** A site of the dj-rest-auth in `source` through `adopt`, and then with a shadow in front, which is sent the cases of `names`. */
export async function shadowed(
  source: string,
  { settings, rotate, cookie }: CookieSite,
  names: ReadonlySet<string>,
): Promise<Shadowed> {
  const released: (() => unknown)[] = [];
  const database = await freshDatabase();
  released.push(() => database.drop());
  try {
    const options = {
      database: database.url,
      env: {
        PYTHONPATH: source,
        DJANGO_REST_AUTH: JSON.stringify(settings),
        DJANGO_ROTATE: rotate ? '1' : '0',
        DJANGO_BLACKLIST: rotate ? '1' : '0',
      },
    };
    const django = await startDjango(options);
    released.push(() => django.stop());
    const adopted = await adoptSite(options);
    released.push(() => adopted.remove());
    const shadow = await serveAdopted(adopted, options, ['--shadow-of', django.url]);
    released.push(() => shadow.stop());
    const [active, inactive] = [await django.makeUser(), await django.makeUser()];
    await django.deactivateUser(inactive);
    const users = { active: Number(active), inactive: Number(inactive), unknown: 999_999 };
    const given = world(database.url, users);
    const messages = [];
    for (const one of COOKIE_CASES) if (names.has(one.name)) messages.push(await one.message(given, cookie));
    // What has changed a second ago is no difference yet.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    for (const message of messages) await send(shadow.url, message);
    const report = async () => (await (await fetch(`${shadow.adminUrl}/shadow`)).json()) as ShadowDocument;
    let document = await report();
    while (document.requests.judged < messages.length) document = await report();
    return { options: adopted.options, rows: adopted.rows, report: document };
  } finally {
    for (const release of released.reverse()) await release();
  }
}
