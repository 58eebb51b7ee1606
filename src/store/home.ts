import { createHash } from 'node:crypto';
import { DEFAULT_OWN } from './own-schema.js';
import type { OwnSchema } from './own-schemas.js';

/** What is known of a database: Django's schemas with token tables, and ours. */
export interface Places {
  readonly sets: readonly {
    readonly schema: string;
    readonly oids: { readonly outstanding: number | undefined; readonly blacklisted: number | undefined };
  }[];
  readonly owns: readonly OwnSchema[];
  /** Called like one of ours, and none: what no new one is called. */
  readonly alike?: readonly { readonly name: string }[];
}

/** Which of our schemas belongs to a Django schema. */
export type OwnStanding =
  /** `written`: it says so. `sure` is false where nothing tells that it isn't another one's. */
  | { readonly kind: 'own'; readonly own: string; readonly written: boolean; readonly sure: boolean }
  /** None; what migrate is to make. `orphans` belong to Django schemas that have no token tables any more. */
  | { readonly kind: 'none'; readonly own: string; readonly orphans: readonly OwnSchema[] }
  /** It was written down for `home`, and the tables that it was written down with are here. */
  | { readonly kind: 'moved'; readonly own: string; readonly home: string; readonly inUse: boolean }
  /** More than one says that it is this one's. */
  | { readonly kind: 'several'; readonly owns: readonly string[] };

/**
 * Whose our schemas are. What is written down counts, then the triggers: a new name for either never makes a second,
 * empty one beside what was revoked. Pure.
 *
 * @param schema Django's
 */
export function ownOf({ sets, owns, alike = [] }: Places, schema: string | undefined): OwnStanding {
  const first = owns.find(({ name }) => name === DEFAULT_OWN);
  if (schema === undefined) return { kind: 'own', own: DEFAULT_OWN, written: true, sure: true };
  const isThere = (one: string): boolean => sets.some((set) => set.schema === one);

  /** Where the tables are by now that were there when it was written down. */
  const tablesIn = ({ home }: OwnSchema): string | undefined =>
    home &&
    sets.find(({ oids }) => oids.outstanding === home.outstanding && oids.blacklisted === home.blacklisted)
      ?.schema;
  const moved = owns.filter(
    (own) => own.home !== undefined && ![undefined, own.home.schema].includes(tablesIn(own)),
  );
  const astray = moved.find((own) => tablesIn(own) === schema || own.home?.schema === schema);
  if (astray?.home !== undefined) {
    const { name: own, home } = astray;
    return { kind: 'moved', own, home: home.schema, inUse: isThere(home.schema) };
  }
  const written = owns.filter(({ home }) => home?.schema === schema).map(({ name }) => name);
  if (written.length > 1) return { kind: 'several', owns: written };
  if (written[0] !== undefined) return { kind: 'own', own: written[0], written: true, sure: true };

  const unwritten = owns.filter(({ home }) => home === undefined);
  const byTriggers = unwritten.filter(({ triggersIn }) => triggersIn.includes(schema));
  const claimed = byTriggers.find(({ triggersIn }) => triggersIn.length === 1);
  if (claimed !== undefined) return { kind: 'own', own: claimed.name, written: false, sure: true };
  const named = unwritten.find(({ name, triggersIn }) => name === nameFor(schema) && triggersIn.length === 0);
  if (named !== undefined) return { kind: 'own', own: named.name, written: named.hidden, sure: true };

  const isOwned = (one: string): boolean =>
    owns.some(
      ({ home, triggersIn }) => home?.schema === one || (triggersIn.length === 1 && triggersIn[0] === one),
    );
  if (
    first !== undefined &&
    first.home === undefined &&
    (first.triggersIn.length === 0 || first.triggersIn.includes(schema))
  ) {
    const sure = sets.every((set) => set.schema === schema || isOwned(set.schema));
    return { kind: 'own', own: DEFAULT_OWN, written: first.hidden, sure };
  }
  const orphans = owns.filter(
    (own) => own.home !== undefined && !isThere(own.home.schema) && tablesIn(own) === undefined,
  );
  return { kind: 'none', own: freeName({ sets, owns, alike }, schema), orphans };
}

/** With the longest name of a trigger behind it PostgreSQL still takes it whole (63 bytes). */
const LONGEST = 44;
const PREFIX = `${DEFAULT_OWN}_`;

/** Plain, so that no SQL has to quote it; a name that isn't, or is too long, is told from the others by a hash. */
function nameFor(schema: string): string {
  const plain = schema.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  if (plain === schema && PREFIX.length + plain.length <= LONGEST) return PREFIX + plain;
  const hash = createHash('sha256').update(schema).digest('hex').slice(0, 8);
  return `${PREFIX}${plain.slice(0, LONGEST - PREFIX.length - hash.length - 1)}_${hash}`;
}

function freeName({ sets, owns, alike }: Required<Places>, schema: string): string {
  const isTaken = (name: string): boolean => [...owns, ...alike].some((one) => one.name === name);
  const isFree = (name: string): boolean => !isTaken(name) && !sets.some((set) => set.schema === name);
  if (!isTaken(DEFAULT_OWN)) return DEFAULT_OWN;
  const wanted = nameFor(schema);
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted.slice(0, LONGEST - 4)}_${n}`;
    if (isFree(name)) return name;
  }
}
