/** What is no proper request: fields that are missing or of another type, bodies, content types, methods. */
import type { Message } from '../http.js';
import { ENDPOINTS, REFRESH, token, type Case } from './case.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
const BOUNDARY = 'a-boundary-of-our-own';
const MULTIPART_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };

const fields: readonly [string, unknown][] = [
  ['null', null],
  ['blank', ''],
  ['white space only', ' \t\n '],
  ['an integer', 42],
  ['a float', 1.5],
  ['zero', 0],
  ['true', true],
  ['false', false],
  ['an empty list', []],
  ['a list', ['x']],
  ['an object', { a: 1 }],
  ['a NUL inside', 'a\0b'],
  ['a NUL alone', '\0'],
];

const fieldCases = ENDPOINTS.flatMap(({ path, field }) => [
  ...fields.map(([name, value]) => token(path, `${field} is ${name}`, () => value)),
  ...rawBodies(path, field),
]);

function rawBodies(path: string, field: string): Case[] {
  const post = (name: string, body: string | Buffer, headers: Message['headers'] = JSON_TYPE): Case => ({
    name: `${path} ${name}`,
    message: () => ({ path, headers, body }),
  });
  const multipart = (name: string, value: string) =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n--${BOUNDARY}--\r\n`;
  return [
    post('an empty object', '{}'),
    post('another field only', '{"other":"x"}'),
    post('an empty list as the body', '[]'),
    post('a list of one object as the body', `[{"${field}":"x"}]`),
    post('a string as the body', '"x"'),
    post('a number as the body', '7'),
    post('null as the body', 'null'),
    post('true as the body', 'true'),
    post('no body, JSON', ''),
    post('bad JSON', `{"${field}":`),
    post('a comma too many', `{"${field}":"x",}`),
    post('NaN in JSON', `{"${field}":NaN}`),
    post('single quotes', `{'${field}':'x'}`),
    post('bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])),
    post('a byte order mark', `\ufeff{"${field}":"x"}`),
    post('a field twice', `{"${field}":"x","${field}":null}`),
    post('a form', `${field}=x`, FORM_TYPE),
    post('a form without the field', 'other=x', FORM_TYPE),
    post('a form with the field blank', `${field}=`, FORM_TYPE),
    post('a form with the field twice', `${field}=&${field}=x`, FORM_TYPE),
    post('an empty form', '', FORM_TYPE),
    post('multipart', multipart(field, 'x'), MULTIPART_TYPE),
    post('multipart without the field', multipart('other', 'x'), MULTIPART_TYPE),
    post('plain text', `${field}=x`, { 'content-type': 'text/plain' }),
    post('XML', '<x/>', { 'content-type': 'application/xml' }),
    post('JSON under a vendor type', `{"${field}":"x"}`, { 'content-type': 'application/vnd.api+json' }),
    post('JSON with a charset', `{"${field}":"x"}`, { 'content-type': 'application/json; charset=utf-8' }),
    post('JSON in capitals', `{"${field}":"x"}`, { 'content-type': 'Application/JSON' }),
    post('a body of no type', `{"${field}":"x"}`, {}),
    { name: `${path} neither body nor type`, message: () => ({ path }) },
    // Not HEAD, since gunicorn sends a body after it, nor OPTIONS, which DRF answers with a description of itself.
    ...['GET', 'PUT', 'PATCH', 'DELETE'].map((method) => ({
      name: `${path} ${method}`,
      message: () => ({ path, method }),
    })),
    {
      name: `${path} PUT with a body of another type`,
      message: () => ({ path, method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'x' }),
    },
  ];
}

/** Proper tokens in unusual clothes: each of these is to succeed. */
const wrapped: Case[] = [
  token(REFRESH, 'white space around a good token', async (world) => ` ${await world.refresh()}\n`),
  {
    name: `${REFRESH} a good token in a form`,
    message: async (world) => ({
      path: REFRESH,
      headers: FORM_TYPE,
      body: `refresh=${await world.refresh()}`,
    }),
  },
  {
    name: `${REFRESH} a good token in a form, percent-encoded, with a charset`,
    message: async (world) => ({
      path: REFRESH,
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' },
      body: `other=%C3%A9&refresh=${(await world.refresh()).replaceAll('.', '%2E')}`,
    }),
  },
  {
    name: `${REFRESH} a good token in multipart`,
    message: async (world) => ({
      path: REFRESH,
      headers: MULTIPART_TYPE,
      body: `--${BOUNDARY}\r\nContent-Disposition: form-data; name="refresh"\r\n\r\n${await world.refresh()}\r\n--${BOUNDARY}--\r\n`,
    }),
  },
  {
    name: `${REFRESH} a good token among other fields, the field twice, the last one wins`,
    message: async (world) => ({
      path: REFRESH,
      headers: JSON_TYPE,
      body: `{"refresh":null,"x":[{"y":1e3}],"refresh":"${await world.refresh()}"}`,
    }),
  },
];

export const bodyCases: readonly Case[] = [...fieldCases, ...wrapped];
