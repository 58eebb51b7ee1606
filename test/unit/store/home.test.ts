import { describe, expect, it } from 'vitest';
import { ownOf } from '../../../src/store/home.js';
import { channelOf, triggerName } from '../../../src/store/own-schema.js';
import type { OwnSchema } from '../../../src/store/own-schemas.js';

/** Tables of a schema, with oids made of a number. */
const set = (schema: string, n: number) => ({ schema, oids: { outstanding: n, blacklisted: n + 1 } });
const own = (name: string, more: Partial<OwnSchema> = {}): OwnSchema => ({
  name,
  home: undefined,
  hidden: false,
  triggersIn: [],
  migrated: true,
  ...more,
});
const homed = (name: string, schema: string, n: number): OwnSchema =>
  own(name, { home: { schema, outstanding: n, blacklisted: n + 1 } });
const two = [set('t1', 10), set('t2', 20)];

describe('which of our schemas is a Django schema’s', () => {
  it('is carelink for the first, and another by its name for each that comes later', () => {
    expect(ownOf({ sets: two, owns: [] }, 't2')).toEqual({ kind: 'none', own: 'carelink', orphans: [] });
    expect(ownOf({ sets: two, owns: [homed('carelink', 't1', 10)] }, 't2')).toEqual({
      kind: 'none',
      own: 'carelink_t2',
      orphans: [],
    });
  });

  it('is the one that says so, whatever its name', () => {
    const owns = [homed('carelink', 't2', 20), homed('carelink_t2', 't1', 10)];
    expect(ownOf({ sets: two, owns }, 't1')).toMatchObject({
      kind: 'own',
      own: 'carelink_t2',
      written: true,
    });
    expect(ownOf({ sets: two, owns }, 't2')).toMatchObject({ kind: 'own', own: 'carelink', written: true });
    // Tables that were made anew, or restored, have other oids.
    const anew = [set('t1', 50), set('t2', 60)];
    expect(ownOf({ sets: anew, owns }, 't1')).toMatchObject({ own: 'carelink_t2', sure: true });
  });

  it('is the one whose triggers are on it, where nothing is written down', () => {
    const owns = [own('carelink', { triggersIn: ['t1'] })];
    expect(ownOf({ sets: two, owns }, 't1')).toEqual({
      kind: 'own',
      own: 'carelink',
      written: false,
      sure: true,
    });
    expect(ownOf({ sets: two, owns }, 't2')).toMatchObject({ kind: 'none', own: 'carelink_t2' });
  });

  it('is not sure where nothing tells, until all others have one', () => {
    for (const triggersIn of [[], ['t1', 't2']]) {
      const owns = [own('carelink', { triggersIn })];
      expect(ownOf({ sets: two, owns }, 't1')).toMatchObject({ own: 'carelink', sure: false });
    }
    const owns = [own('carelink'), homed('carelink_t2', 't2', 20)];
    expect(ownOf({ sets: two, owns }, 't1')).toMatchObject({ own: 'carelink', sure: true });
    expect(ownOf({ sets: [set('t1', 10)], owns: [own('carelink')] }, 't1')).toMatchObject({ sure: true });
  });

  it('is never one that a renamed schema has left: that is asked', () => {
    const owns = [homed('carelink', 't1', 10)];
    expect(ownOf({ sets: [set('clinic', 10)], owns }, 'clinic')).toEqual({
      kind: 'moved',
      own: 'carelink',
      home: 't1',
      inUse: false,
    });
    // And a new t1 doesn't come by what was revoked for the old one, nor the old one lose it.
    const renamed = [set('clinic', 10), set('t1', 30)];
    for (const schema of ['clinic', 't1'])
      expect(ownOf({ sets: renamed, owns }, schema)).toMatchObject({ kind: 'moved', inUse: true });
    // Restored under another name: neither name nor oid is left.
    expect(ownOf({ sets: [set('clinic', 90)], owns }, 'clinic')).toMatchObject({
      kind: 'none',
      orphans: owns,
    });
    const both = [homed('carelink', 't1', 10), homed('carelink_t1', 't1', 11)];
    expect(ownOf({ sets: [set('t1', 10)], owns: both }, 't1')).toEqual({
      kind: 'several',
      owns: ['carelink', 'carelink_t1'],
    });
  });

  it('goes on with the one that a broken-off run has begun', () => {
    const owns = [homed('carelink', 't1', 10), own('carelink_t2', { migrated: false })];
    expect(ownOf({ sets: two, owns }, 't2')).toMatchObject({ kind: 'own', own: 'carelink_t2', sure: true });
  });

  it('has a name that needs no quotes, is no other one’s, and leaves room for what is derived from it', () => {
    const names = ['Clinic', 'clinic', 'clínic', 'a b', 'a_b', 'x'.repeat(63), 'x'.repeat(62), '1', '$'];
    const owns = names.map((schema) => {
      const { own: name } = ownOf({ sets: [], owns: [homed('carelink', 'first', 1)] }, schema) as {
        own: string;
      };
      expect(name).toMatch(/^carelink_[a-z0-9_]+$/);
      expect(Buffer.byteLength(triggerName(name, 'revoked_again'))).toBeLessThanOrEqual(63);
      expect(Buffer.byteLength(channelOf(name))).toBeLessThanOrEqual(63);
      return name;
    });
    expect(new Set(owns).size).toBe(names.length);
    // One that is taken, by tables or by another site, isn't taken a second time.
    const taken = [homed('carelink', 'a', 1), homed('carelink_t1', 'b', 3)];
    expect(ownOf({ sets: [set('a', 1), set('b', 3), set('t1', 5)], owns: taken }, 't1')).toMatchObject({
      own: 'carelink_t1_2',
    });
  });
});
