/** What a part of a JSON document must be. `read` throws ShapeError, which names the place. */
export interface Shape<T> {
  read(value: unknown, place: string): T;
}

export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

type Read<S> = S extends Shape<infer T> ? T : never;

function simple<T>(what: string, is: (value: unknown) => value is T): Shape<T> {
  return {
    read(value, place) {
      if (is(value)) return value;
      throw new ShapeError(`${place} is not ${what}`);
    },
  };
}

export const text = simple('a text', (value) => typeof value === 'string');
export const flag = simple('true or false', (value) => typeof value === 'boolean');
export const count = simple('a number', (value) => typeof value === 'number');
/** Judged by whoever reads it. */
export const anything = simple('there', (value): value is unknown => value !== undefined);

export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return { read: (value, place) => (value === null ? null : shape.read(value, place)) };
}

export function list<T>(shape: Shape<T>): Shape<readonly T[]> {
  return {
    read(value, place) {
      if (!Array.isArray(value)) throw new ShapeError(`${place} is not a list`);
      return value.map((member, at) => shape.read(member, `${place}[${at}]`));
    },
  };
}

export function record<T>(shape: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return {
    read: (value, place) =>
      new Map(
        Object.entries(objectAt(value, place)).map(([key, member]) => [
          key,
          shape.read(member, `${place}.${key}`),
        ]),
      ),
  };
}

/** Members that the shape doesn't name are left out. */
export function object<const S extends Readonly<Record<string, Shape<unknown>>>>(
  shapes: S,
): Shape<{ readonly [Key in keyof S]: Read<S[Key]> }> {
  return {
    read(value, place) {
      const members = objectAt(value, place);
      const read = Object.entries(shapes).map(([key, shape]) => [
        key,
        shape.read(members[key], place === '' ? key : `${place}.${key}`),
      ]);
      return Object.fromEntries(read) as { [Key in keyof S]: Read<S[Key]> };
    },
  };
}

function objectAt(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw new ShapeError(`${place === '' ? 'it' : place} is not an object`);
}
