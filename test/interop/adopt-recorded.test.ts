/**
 * What the probe printed at Djangos that Debian does not have: test/support/django on the sources of that release (Django 3.2 to
 * 5.2, simplejwt 5.2 to the head after 5.5.1). With DJANGO_SOURCES the other tests of adopt run at such a Django.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { adopt, parseFacts, SETTING_JUDGES } from '../../src/adopt/index.js';

const FOLDER = new URL('recorded/facts/', import.meta.url);

test.each(readdirSync(FOLDER))('the facts of %s are read, and nothing of a stock site is lost', (file) => {
  const facts = parseFacts(readFileSync(new URL(file, FOLDER), 'utf8'));
  const [, django, simplejwt = ''] = /^django-(.*)-simplejwt-(.*)\.txt$/.exec(file)!;
  expect(facts.problems).toEqual([]);
  expect(facts.versions?.get('django')).toBe(django);
  expect(facts.versions?.get('simplejwt')).toContain(simplejwt);
  // Every setting of that release has a judge.
  expect([...facts.simple_jwt!.values.keys()].filter((name) => !(name in SETTING_JUDGES))).toEqual([]);
  const { rows, options } = adopt(facts, {
    userView: undefined,
    signingKeyFile: '/etc/carelink/signing.key',
  });
  expect(rows.filter(({ verdict }) => verdict === 'cannot')).toEqual([]);
  // 5.5 goes without saying.
  const compat = /^5\.[2-4]/.test(simplejwt) ? { 'simplejwt-compat': '5.2' } : {};
  expect(options).toEqual({ 'signing-key-file': '/etc/carelink/signing.key', ...compat });
  const told = rows.some(({ setting }) => setting === 'who may refresh');
  expect(told).toBe(/^5\.[23]/.test(simplejwt));
});
