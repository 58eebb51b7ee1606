import { readFileSync, writeFileSync } from 'node:fs';
import { startDjango } from '../../support/django.js';
import { freshDatabase } from '../../support/postgres.js';
import { normal, type NormalReply } from './normal.js';
import { repliesAt } from './replies.js';
import { FIRST, givePasswords, settingsOf, SITES, type Site } from './sites.js';

/**
 * What simplejwt 5.5.1 answered to each case. Debian has no package of it, so it was asked once: its sources
 * (tag v5.5.1) ran over the same Django project. Its wording is in rest_framework_simplejwt/{serializers,
 * tokens,backends,exceptions}.py, that of fields and parsers in Django REST framework 3.14.
 */
const FILE = new URL('../recorded/simplejwt-5.5.1.json', import.meta.url);

export type Replies = Readonly<Record<string, NormalReply>>;

export function readRecord(): Replies {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Replies;
}

/**
 * What the head of simplejwt (998eb63) answered otherwise than 5.5.1, when both were asked the same cases one after the
 * other: eight of them.
 */
const HEAD_FILE = new URL('../recorded/simplejwt-998eb63.json', import.meta.url);

export function readHeadRecord(): Partial<Replies> {
  return JSON.parse(readFileSync(HEAD_FILE, 'utf8')) as Partial<Replies>;
}

/** What both answer at the other sites, by the site's name: of each only what the one below it doesn't say. */
const SITES_FILES = {
  '5.5.1': new URL('../recorded/simplejwt-5.5.1-sites.json', import.meta.url),
  head: new URL('../recorded/simplejwt-998eb63-sites.json', import.meta.url),
} as const;

export type Release = keyof typeof SITES_FILES;

/** All that a release answers at a site: 5.5.1 as at the first site or otherwise, the head as 5.5.1 or otherwise. */
export function readSiteRecord(release: Release, site: Site): Replies {
  const of551 = { ...readRecord(), ...readSites('5.5.1')[site.name] };
  return release === '5.5.1' ? of551 : { ...of551, ...readSites('head')[site.name] };
}

function readSites(release: Release): Readonly<Record<string, Replies>> {
  return JSON.parse(readFileSync(SITES_FILES[release], 'utf8')) as Record<string, Replies>;
}

export function writeRecord(record: Replies): void {
  writeFileSync(FILE, `${lines(record)}\n`);
}

/** `all`: by the site's name. */
export function writeSiteRecord(release: Release, all: Readonly<Record<string, Replies>>): void {
  const texts = SITES.map((site) => {
    const below = release === '5.5.1' ? readRecord() : readSiteRecord('5.5.1', site);
    const own = Object.entries(all[site.name]!).filter(
      ([name, reply]) => JSON.stringify(reply) !== JSON.stringify(below[name]),
    );
    return `${JSON.stringify(site.name)}: ${lines(Object.fromEntries(own))}`;
  });
  writeFileSync(SITES_FILES[release], `{\n${texts.join(',\n')}\n}\n`);
}

/** A line for each reply, so that a change of one is a change of one line. */
function lines(record: Replies): string {
  const all = Object.entries(record).map(
    ([name, reply]) => `${JSON.stringify(name)}: ${JSON.stringify(reply)}`,
  );
  return `{\n${all.join(',\n')}\n}`;
}

/** Asks the simplejwt whose package lies in `source`; without one, Debian's. */
export async function ask(source?: string, site = FIRST): Promise<Replies> {
  const database = await freshDatabase();
  const path = source === undefined ? {} : { PYTHONPATH: source };
  const django = await startDjango({ database: database.url, env: { ...settingsOf(site), ...path } });
  try {
    const [active, inactive] = [await django.makeUser(), await django.makeUser()];
    await django.deactivateUser(inactive);
    await givePasswords(database.url);
    const users = { active: Number(active), inactive: Number(inactive), unknown: 999_999 };
    return await repliesAt(site, { database: database.url, users, url: () => django.url, normal });
  } finally {
    await django.stop();
    await database.drop();
  }
}
