/** docs/openapi.yaml as a judge of answers: whatever is not in it, status, header or field, is a fault. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse } from 'yaml';

export const OPENAPI_FILE = fileURLToPath(new URL('../../docs/openapi.yaml', import.meta.url));

export interface Answer {
  readonly status: number;
  /** By their names in lower case; several lines of one name with a line break between them, or any of them. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Asked {
  readonly port: 'public' | 'admin';
  readonly method: string;
  /** Below the base path. */
  readonly path: string;
}

interface Referable {
  readonly $ref?: string;
}
interface HeaderObject extends Referable {
  readonly required?: boolean;
  readonly schema?: { readonly type?: string };
}
interface ResponseObject extends Referable {
  readonly headers?: Readonly<Record<string, HeaderObject>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}
interface Operation {
  readonly responses: Readonly<Record<string, ResponseObject>>;
}
type Method = 'get' | 'post' | 'options';
type PathItem = Readonly<Partial<Record<Method, Operation>>> & { readonly servers?: readonly object[] };
interface Document {
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: {
    readonly responses: Readonly<Record<string, ResponseObject>>;
    readonly schemas: Readonly<Record<string, object>>;
  };
}

/** Of HTTP itself, and what Content-Type says is compared by the body's. */
const OF_TRANSPORT = new Set([
  'date',
  'connection',
  'keep-alive',
  'content-length',
  'content-type',
  'transfer-encoding',
]);

const document = parse(readFileSync(OPENAPI_FILE, 'utf8')) as Document;
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
formats.default(ajv);

/** Each operation with each status that it may have: `POST /refresh/ 401`. */
export function documented(port?: Asked['port']): string[] {
  return Object.entries(document.paths)
    .filter(([, item]) => port === undefined || portOf(item) === port)
    .flatMap(([path, item]) =>
      (['get', 'post', 'options'] as const).flatMap((method) =>
        Object.keys(item[method]?.responses ?? {}).map(
          (status) => `${method.toUpperCase()} ${path} ${status}`,
        ),
      ),
    );
}

/** The paths that each port has, with their methods. */
export function operations(port: Asked['port']): { path: string; method: string }[] {
  return [...new Set(documented(port).map((one) => one.replace(/ \d+$/, '')))].map((one) => {
    const [method = '', path = ''] = one.split(' ');
    return { method, path };
  });
}

/** What of an answer the document doesn't have, and the entry that it was held against. */
export function judge(asked: Asked, answer: Answer): { readonly faults: string[]; readonly entry: string } {
  const what = `${asked.method} ${asked.path} ${answer.status}`;
  const found = entryOf(asked, answer.status);
  if (found === undefined) return { faults: [`${what}: no such status is documented`], entry: what };
  return { faults: faultsIn(what, found.response, answer, asked.method === 'HEAD'), entry: found.entry };
}

/** The same for an answer of which nobody knows what was asked: it has to be as some status somewhere is documented. */
export function judgeAny(answer: Answer): string[] {
  const kinds = kindsOf(answer.status);
  if (kinds.length === 0) return [`${answer.status}: no such status is documented`];
  const all: string[] = [];
  for (const kind of kinds) {
    const faults = faultsIn(String(answer.status), kind, answer, answer.body === '');
    if (faults.length === 0) return [];
    all.push(...faults);
  }
  return all;
}

const kinds = new Map<number, ResponseObject[]>();

/** All answers that are documented with a status, each once. */
function kindsOf(status: number): readonly ResponseObject[] {
  const known = kinds.get(status);
  if (known !== undefined) return known;
  const all = Object.values(document.paths).flatMap((item) =>
    (['get', 'post', 'options'] as const).flatMap((method) => item[method]?.responses[status] ?? []),
  );
  const found = [...new Map(all.map((one) => [one.$ref ?? JSON.stringify(one), resolved(one)])).values()];
  kinds.set(status, found);
  return found;
}

function portOf(item: PathItem): Asked['port'] {
  return item.servers === undefined ? 'public' : 'admin';
}

/** What may come of any path and method, by the names of the answers. */
const EVERYWHERE: Readonly<Record<number, string>> = {
  400: 'Malformed',
  408: 'TimedOut',
  417: 'ExpectationFailed',
  431: 'HeadersTooLarge',
};

function entryOf(
  { port, method, path }: Asked,
  status: number,
): { readonly response: ResponseObject; readonly entry: string } | undefined {
  const named = (name: string | undefined) =>
    name === undefined ? undefined : { response: document.components.responses[name]!, entry: name };
  const [name, item] = Object.entries(document.paths).find(
    ([one, its]) => portOf(its) === port && [path, `${path}/`].includes(one),
  ) ?? [undefined, {}];
  const key = method.toLowerCase().replace('head', 'get') as Method;
  const operation = item[key];
  if (operation !== undefined) {
    const found = operation.responses[status];
    return found && { response: resolved(found), entry: `${key.toUpperCase()} ${name} ${status}` };
  }
  if (method === 'OPTIONS' && status === 204) return named('Preflight');
  if (EVERYWHERE[status] !== undefined) return named(EVERYWHERE[status]);
  // Another method: 405 where that is documented, else there is nothing.
  const other = (['get', 'post'] as const).find((one) => item[one]?.responses['405'] !== undefined);
  if (other === undefined) return status === 404 ? named('NotFound') : undefined;
  const refused = item[other]?.responses['405'];
  return status === 405 && refused !== undefined
    ? { response: resolved(refused), entry: `${other.toUpperCase()} ${name} 405` }
    : undefined;
}

function faultsIn(what: string, response: ResponseObject, answer: Answer, isHead: boolean): string[] {
  const faults: string[] = [];
  const headers = new Map(
    Object.entries(response.headers ?? {}).map(([name, header]) => [name.toLowerCase(), resolved(header)]),
  );
  for (const [name, header] of headers) {
    const value = answer.headers.get(name);
    if (value === undefined) {
      if (header.required === true) faults.push(`${what}: the header ${name} is missing`);
    } else {
      const validate = compiled(header.schema ?? {});
      for (const one of value.split('\n'))
        if (!validate(header.schema?.type === 'integer' ? Number(one) : one))
          faults.push(`${what}: ${name}: ${one}: ${ajv.errorsText(validate.errors)}`);
    }
  }
  for (const name of answer.headers.keys())
    if (!headers.has(name) && !OF_TRANSPORT.has(name))
      faults.push(`${what}: the header ${name} is not documented`);

  const type = answer.headers.get('content-type');
  const { content } = response;
  if (content === undefined) {
    if (type !== undefined || answer.body !== '') faults.push(`${what}: no body is documented`);
    return faults;
  }
  const schema = type === undefined ? undefined : content[type]?.schema;
  if (schema === undefined) return [...faults, `${what}: the type ${type} is not documented`];
  if (isHead) return answer.body === '' ? faults : [...faults, `${what}: a body for HEAD`];
  const validate = compiled(schema);
  let value: unknown = answer.body;
  if (/\bjson\b/.test(type!)) {
    try {
      value = JSON.parse(answer.body);
    } catch {
      return [...faults, `${what}: no JSON: ${answer.body.slice(0, 200)}`];
    }
  }
  if (!validate(value))
    faults.push(`${what}: ${ajv.errorsText(validate.errors)}: ${answer.body.slice(0, 200)}`);
  return faults;
}

const validators = new WeakMap<object, ValidateFunction>();

function compiled(schema: object): ValidateFunction {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const validate = ajv.compile(pointingIn(schema));
  validators.set(schema, validate);
  return validate;
}

/** A part of the document that stands by itself: with all that it may refer to beside it. */
function pointingIn(schema: object): object {
  const text = JSON.stringify({ ...schema, $defs: document.components.schemas });
  return JSON.parse(text.replaceAll('"#/components/schemas/', '"#/$defs/')) as object;
}

function resolved<T extends Referable>(given: T): T {
  if (given.$ref === undefined) return given;
  const parts = given.$ref.slice(2).split('/');
  return parts.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], document) as T;
}
