import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TableFacts } from '../../../src/migrate/catalog.js';
import type { Migration } from '../../../src/migrate/files.js';
import type { LedgerEntry } from '../../../src/migrate/ledger.js';
import type { Picture } from '../../../src/migrate/picture.js';
import { formatParameters, parseParameters } from '../../../src/migrate/plan-settings.js';
import { judge, judgeAll } from '../../../src/migrate/plan.js';
import { anyIndex, index } from './indexes.js';

const migration = (name: string, kind: Migration['kind'] = 'index'): Migration => ({
  name,
  file: `0001_${name}.sql`,
  what: '',
  online: kind === 'index',
  kind,
  optional: false,
  tables: ['t'],
  sql: '',
  down: '',
  checksum: 'sum',
});

const table: TableFacts = {
  name: 't',
  oid: 1,
  qualifiedName: 'public.t',
  kind: 'table',
  owner: 'django',
  owned: true,
  readable: true,
  rows: 1000,
  bytes: 8192,
  indexBytes: 8192,
  parameters: new Map(),
  columns: [],
};

const entry = (state: LedgerEntry['state'], more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  name: 'w',
  checksum: 'sum',
  state,
  coveredBy: undefined,
  definition: undefined,
  durationMs: 1,
  at: new Date(0),
  ...more,
});

const wanted = index('w', ['a']);
const picture = (more: Partial<Picture> & { readonly entry?: LedgerEntry | undefined } = {}): Picture => ({
  tables: [table],
  indexes: [],
  triggers: [],
  currentSchema: 'public',
  users: undefined,
  home: undefined,
  ours: new Set(),
  functions: new Set(),
  userFunction: undefined,
  wanted: new Map([['w', { kind: 'index', index: wanted }]]),
  ledger: new Map(more.entry === undefined ? [] : [['w', more.entry]]),
  ...more,
});
const PLAIN = { buildCovered: false };
const standing = (more: Parameters<typeof picture>[0], options = PLAIN) => {
  const { state, action, coveredBy } = judge(migration('w'), picture(more), options);
  return { state, action, coveredBy };
};
const cover = index('c', ['a', 'b']);

describe('where an index stands', () => {
  it.each([
    ['nothing there', {}, { state: 'pending', action: 'build' }],
    ['covered, not noted', { indexes: [cover] }, { state: 'pending', action: 'cover', coveredBy: 'c' }],
    [
      'covered and noted',
      { indexes: [cover], entry: entry('covered', { coveredBy: 'c' }) },
      { state: 'covered', action: 'nothing' },
    ],
    [
      'covered by another than was noted',
      { indexes: [cover], entry: entry('covered', { coveredBy: 'gone' }) },
      { state: 'covered', action: 'cover' },
    ],
    [
      'its cover gone',
      { entry: entry('covered', { coveredBy: 'c' }) },
      { state: 'pending', action: 'build' },
    ],
    [
      'its cover invalid',
      { indexes: [{ ...cover, valid: false }], entry: entry('covered', { coveredBy: 'c' }) },
      { state: 'pending', action: 'build' },
    ],
    [
      'built',
      { indexes: [wanted], entry: entry('applied', { definition: wanted.definition }) },
      { state: 'applied', action: 'nothing' },
    ],
    ['built, then dropped', { entry: entry('applied') }, { state: 'pending', action: 'build' }],
    [
      'built, then replaced',
      { indexes: [index('w', ['z'])], entry: entry('applied', { definition: 'other' }) },
      { state: 'drifted', action: 'leave' },
    ],
    [
      'built, then given another fillfactor',
      { indexes: [wanted], entry: entry('applied', { definition: 'other' }) },
      { state: 'applied', action: 'nothing' },
    ],
    [
      'built from another file',
      { indexes: [wanted], entry: entry('applied', { definition: wanted.definition, checksum: 'old' }) },
      { state: 'drifted', action: 'leave' },
    ],
    [
      'built by a run that was killed',
      { indexes: [wanted], entry: entry('building') },
      { state: 'pending', action: 'adopt' },
    ],
    [
      'something wider built where a run was killed',
      { indexes: [index('w', ['a', 'b'])], entry: entry('building') },
      { state: 'pending', action: 'cover', coveredBy: 'w' },
    ],
    [
      'half built by a run that was killed',
      { indexes: [{ ...wanted, valid: false }], entry: entry('building') },
      { state: 'invalid', action: 'build' },
    ],
    [
      'invalid though it was built',
      { indexes: [{ ...wanted, valid: false }], entry: entry('applied', { definition: wanted.definition }) },
      { state: 'invalid', action: 'build' },
    ],
    ['made by hand', { indexes: [wanted] }, { state: 'pending', action: 'cover', coveredBy: 'w' }],
    [
      'its name taken by another index',
      { indexes: [index('w', ['z'])] },
      { state: 'drifted', action: 'leave' },
    ],
  ] as const)('%s', (_, more, expected) => {
    expect(standing(more)).toMatchObject(expected);
  });

  it('is built though it is covered, where that is asked for, and once', () => {
    expect(standing({ indexes: [cover] }, { buildCovered: true }).action).toBe('build');
    const built = { indexes: [cover, wanted], entry: entry('applied', { definition: wanted.definition }) };
    expect(standing(built, { buildCovered: true }).action).toBe('nothing');
  });

  it('counts on what the same plan builds before it', () => {
    const wide = index('wide', ['a', 'b']);
    const standings = judgeAll(
      [migration('wide'), migration('w')],
      {
        ...picture(),
        wanted: new Map([
          ['wide', { kind: 'index', index: wide }],
          ['w', { kind: 'index', index: wanted }],
        ]),
      },
      PLAIN,
    );
    expect(standings).toMatchObject([{ action: 'build' }, { action: 'cover', coveredBy: 'wide' }]);
  });

  it('never lets a valid index be dropped or built over, whatever is in ledger and catalog', () => {
    const anyEntry = fc.record({
      state: fc.constantFrom('building' as const, 'applied' as const, 'covered' as const),
      definition: fc.constantFrom(undefined, wanted.definition, 'other'),
      coveredBy: fc.constantFrom(undefined, 'w', 'c'),
      checksum: fc.constantFrom('sum', 'old'),
    });
    fc.assert(
      fc.property(
        fc.option(anyEntry, { nil: undefined }),
        anyIndex,
        fc.boolean(),
        fc.boolean(),
        (noted, own, there, buildCovered) => {
          const indexes = there ? [{ ...own, name: 'w' }] : [];
          const more = noted === undefined ? undefined : entry(noted.state, noted);
          const { state, action } = judge(migration('w'), picture({ indexes, entry: more }), {
            buildCovered,
          });
          if (there && own.valid) expect(action).not.toBe('build');
          if (there && !own.valid) expect([state, action]).toEqual(['invalid', 'build']);
          if (action === 'nothing') expect(['applied', 'covered']).toContain(state);
        },
      ),
    );
  });
});

describe('where settings stand', () => {
  const settings = migration('w', 'settings');
  const parameters = new Map([
    ['autovacuum_vacuum_threshold', '5000'],
    ['autovacuum_analyze_threshold', '5000'],
  ]);
  const withSettings = (set: Record<string, string>, noted?: LedgerEntry) =>
    judge(
      settings,
      picture({
        tables: [{ ...table, parameters: new Map(Object.entries(set)) }],
        wanted: new Map([['w', { kind: 'settings', parameters }]]),
        entry: noted,
      }),
      PLAIN,
    );

  it('sets what nobody has set, and that alone', () => {
    const { action, parameters: missing } = withSettings({ autovacuum_vacuum_threshold: '7' });
    expect(action).toBe('run');
    expect([...(missing ?? [])]).toEqual([['autovacuum_analyze_threshold', '5000']]);
  });

  it('is covered where somebody has set all of it', () => {
    const all = { autovacuum_vacuum_threshold: '7', autovacuum_analyze_threshold: '8' };
    expect(withSettings(all)).toMatchObject({ state: 'pending', action: 'cover' });
    expect(withSettings(all, entry('covered'))).toMatchObject({ state: 'covered', action: 'nothing' });
  });

  it('has drifted where what was set is otherwise now', () => {
    const noted = entry('applied', { definition: formatParameters(parameters) });
    expect(withSettings(Object.fromEntries(parameters), noted).state).toBe('applied');
    expect(withSettings({ autovacuum_vacuum_threshold: '7' }, noted).state).toBe('drifted');
  });

  it('reads what it writes', () => {
    const pairs = fc.array(fc.tuple(fc.stringMatching(/^[a-z_]{1,9}$/), fc.stringMatching(/^[0-9.]{1,5}$/)));
    fc.assert(
      fc.property(pairs, (each) => {
        const map = new Map(each);
        expect(parseParameters(formatParameters(map))).toEqual(map);
      }),
    );
  });
});
