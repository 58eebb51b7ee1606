import { readFileSync, writeFileSync } from 'node:fs';
import { startDjango } from '../../support/django.js';
import { freshDatabase } from '../../support/postgres.js';
import { send } from '../http.js';
import { world, type World } from '../matrix/world.js';
import { COOKIE_CASES } from './cases.js';
import { cookieReply, type CookieReply } from './normal.js';
import { COOKIE_SITES, type CookieSite } from './sites.js';

/** By the site's name, and by that of the case. */
export type CookieReplies = Readonly<Record<string, Readonly<Record<string, CookieReply>>>>;

/**
 * What dj-rest-auth 7.1.1 answered to each case, over Debian's Django 3.2 and simplejwt 5.2.2. Debian has no package of it,
 * so it was asked once: its sources (tag 7.1.1, unchanged, and without django-allauth, which it goes without) ran in the
 * same Django project.
 */
const FILE = new URL('../recorded/dj-rest-auth-7.1.1.json', import.meta.url);

export function readCookieRecord(): CookieReplies {
  return JSON.parse(readFileSync(FILE, 'utf8')) as CookieReplies;
}

export function writeCookieRecord(record: CookieReplies): void {
  const sites = Object.entries(record).map(([site, replies]) => {
    const lines = Object.entries(replies).map(
      ([name, reply]) => `${JSON.stringify(name)}: ${JSON.stringify(reply)}`,
    );
    return `${JSON.stringify(site)}: {\n${lines.join(',\n')}\n}`;
  });
  writeFileSync(FILE, `{\n${sites.join(',\n')}\n}\n`);
}

export async function repliesTo(
  given: World,
  { cookie }: CookieSite,
  url: string,
  normal: (reply: Awaited<ReturnType<typeof send>>) => CookieReply,
): Promise<Record<string, CookieReply>> {
  const replies: Record<string, CookieReply> = {};
  for (const one of COOKIE_CASES)
    replies[one.name] = normal(await send(url, await one.message(given, cookie)));
  return replies;
}

/** Asks the dj-rest-auth whose package lies in `source`. */
export async function askDjRestAuth(source: string): Promise<CookieReplies> {
  const replies: Record<string, Record<string, CookieReply>> = {};
  for (const site of COOKIE_SITES) {
    const database = await freshDatabase();
    const django = await startDjango({
      database: database.url,
      env: {
        PYTHONPATH: source,
        DJANGO_REST_AUTH: JSON.stringify(site.settings),
        DJANGO_ROTATE: site.rotate ? '1' : '0',
        DJANGO_BLACKLIST: site.rotate ? '1' : '0',
      },
    });
    try {
      const [active, inactive] = [await django.makeUser(), await django.makeUser()];
      await django.deactivateUser(inactive);
      const users = { active: Number(active), inactive: Number(inactive), unknown: 999_999 };
      replies[site.name] = await repliesTo(world(database.url, users), site, django.url, cookieReply);
    } finally {
      await django.stop();
      await database.drop();
    }
  }
  return replies;
}
