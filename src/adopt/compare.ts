import { isDeepStrictEqual } from 'node:util';
import type { Option } from '../config/option.js';
import { SERVE_OPTIONS } from '../config/serve-options.js';
import type { Wanted } from './env-file.js';
import type { Facts } from './facts.js';
import { GOVERNED } from './options.js';
import { ENDPOINTS } from './path-verdicts.js';
import { parsedOption, type Row, type ServeFlag } from './verdict.js';

/** An option that is otherwise than Django's settings want it. */
export interface Mismatch {
  readonly flag: ServeFlag;
  /** As it is written; undefined: it is to be left out. */
  readonly wanted: string | undefined;
  /** The Django setting that says so; undefined: none asks for the option. */
  readonly setting: string | undefined;
  readonly django: string | undefined;
}

type Values = Readonly<Partial<Record<string, unknown>>>;

const PATHS: ReadonlySet<string> = new Set(['base-path', ...ENDPOINTS.map(({ flag }) => flag)]);

/** Holds the values that a server has against what the facts ask for. */
export function compareWith(facts: Facts, rows: readonly Row[], options: Wanted, values: Values): Mismatch[] {
  const single = GOVERNED.filter((flag) => !PATHS.has(flag)).flatMap((flag): Mismatch[] => {
    const wanted = options[flag];
    const value = valueOf(flag, wanted);
    if (isDeepStrictEqual(unordered(value), unordered(values[flag]))) return [];
    if (meansTheSame(flag, values[flag], facts)) return [];
    const row = rows.find((one) => one.options[flag] !== undefined);
    return [{ flag, wanted, setting: row?.setting, django: row?.django }];
  });
  const wanted = Object.fromEntries(
    [...PATHS].map((flag) => [flag, valueOf(flag as ServeFlag, options[flag as ServeFlag])]),
  );
  const paths = ENDPOINTS.flatMap(({ name, flag, usual }): Mismatch[] => {
    const row = rows.find(({ setting, verdict }) => setting === `path of ${name}` && verdict !== 'cannot');
    if (row === undefined || pathIn(wanted, flag, usual) === pathIn(values, flag, usual)) return [];
    return [{ flag, wanted: pathIn(wanted, flag, usual), setting: row.setting, django: row.django }];
  });
  return [...paths, ...single];
}

/** However it is said: by the base path, or by a path of its own. */
function pathIn(values: Values, flag: string, usual: string): string {
  const own = values[flag];
  const base = values['base-path'];
  return typeof own === 'string' ? own : `${typeof base === 'string' ? base : ''}${usual}`;
}

function valueOf(flag: ServeFlag, text: string | undefined): unknown {
  const option: Option<unknown> = SERVE_OPTIONS[flag];
  if (text === undefined) return option.absent;
  const parsed = parsedOption(flag, text);
  return parsed.ok ? parsed.value : undefined;
}

/** Of origins and names no order counts. */
function unordered(value: unknown): unknown {
  return Array.isArray(value) ? value.map((one) => JSON.stringify(one)).sort() : value;
}

/** What is found without a word may be said all the same. */
function meansTheSame(flag: ServeFlag, value: unknown, { user, token_blacklist: app }: Facts): boolean {
  switch (flag) {
    case 'user-table':
      return user !== null && String(value).replaceAll('"', '').split('.').at(-1) === user.table;
    case 'user-id-column':
      return value === user?.id_field?.column;
    case 'user-check':
      return value === 'on';
    case 'schema':
      return app?.tables?.some(({ schema, visible }) => visible && schema === value) === true;
    default:
      return false;
  }
}
