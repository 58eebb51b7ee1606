/** Requests that the real Django answers beside ours: fields, JSON, encodings, forms, types, methods. */
export interface Case {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | null;
  readonly body: Buffer;
}

const BASE = '/account/token';
const JSON_TYPE = 'application/json';
const FORM = 'application/x-www-form-urlencoded';
const MULTIPART = 'multipart/form-data; boundary=XX';
const ENDPOINTS = [
  ['refresh', 'refresh'],
  ['verify', 'token'],
  ['blacklist', 'refresh'],
  ['sliding/refresh', 'token'],
] as const;

/** Values of the field, as JSON. */
const VALUES = [
  'null', '""', '"  "', '" \\t\\n\\u000b\\f\\r"', '"\\u00a0\\u2003\\u001c\\u001f\\u0085\\u3000"', '"\\u200b"', '"\\ufeff"',
  '" \\ufeff "', '"x"', '" x "', '"é"', '"\\ud83d\\ude00"', 'true', 'false', '[]', '["x"]', '{}', '{"a":1}', '0', '12',
  '-0', '1.5', '1e400', '-1e400', '1e5', '123456789012345678901234567890', 'NaN', 'Infinity', '-Infinity',
  '"a\\u0000b"', '"\\u0000"', '"\\ud800"', '"a\\udfffb"', '"\\ud800\\u0000"', '" \\ud800"', '"\\udc00\\ud800"',
]; // prettier-ignore

/** Whole bodies, `F` standing for the field's name. */
const BODIES = [
  '{}', '{"other":"x"}', '{"F":"x","F":""}', '{"F":"","F":"x"}', '{"__proto__":{"F":"x"}}', '[]', '[1]', '[{"F":"x"}]',
  'null', ' null\n', '"x"', '""', '5', '-0', '0.5', '1e3', '1E3', 'true', 'false', '', ' ', '\n', '{', '}', '[', ']', '{"F"',
  '{"F":', '{"F":"a"', '{"F":"a"}x', '{"F":"a\nb"}', '\ufeff{}', "{'F':1}", '{"a":1,}', '[1,]', '{"a" 1}', '{1:2}', '"abc',
  'nul', 'nulll', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"\\u12G4"}', '[1 2]', '{"a":tru}', '-', '1.', '01', '.5', '+1',
  '{"a":1 "b":2}', '{,}', '[,]', '{"a":}', '{"a":1,,}', '{"a":"\x01"}', '{"a":"\x7f"}', '\n\n {"a":1,\n  b}', 'é',
  '"😀" x', '{"F":"😀" x', '{"😀" :\n"😀" x', '/**/{}', '{}{}', '{"F":"x"}\0', '\u00a0{}', '{"F":"\\',
]; // prettier-ignore

/** Bytes that are no UTF-8, or nearly. */
const BYTES = [
  '\xff\xfe', '{"F":"\xff"}', '{"F":"\xe2\x82"}', '{"F":"\xed\xa0\x80"}', '{"F":"\xe2\x82', '\xf0\x9f\x98', '\xc3(',
  '\xf5aaa', '\xc0\x80', '\xe2(\xa1', '{"F":"\xf4\x90\x80\x80"}', '{"F":"\xf0\x80\x80\x80"}', '{"F":"\xe0\x80\x80"}',
  '{"F":"\xf0\x9f\x98"}', '{"F":"\xef\xbf\xbd"}', '{"F":"\x80"}', '{"F":"\xc2\xa0"}', '{}\xff', '\xef\xbb\xbf{}\xff',
]; // prettier-ignore

const FORMS = [
  'F=a', 'F=', 'F=+%20', 'x=1', 'F=a&F=', 'F=&F=a', 'F=a%00b', 'F=%ff', 'F', '=F', '?F=a', 'F=a;F=', '%46=a', 'F=%zz',
  'F=%ed%a0%80', '&&&', 'F=a%20b', 'F=%E2%82', 'F=\xff', 'F=\xa0', 'F=%C2%A0', 'F=a=b', ' F=a', 'F[]=a', '#F=a',
]; // prettier-ignore

const TYPES = [
  'application/json; charset=utf-8', 'application/json;charset=UTF-8', 'application/json; charset="utf-8"',
  'application/json; charset=nope', 'application/json;', 'application/json ; x=y', 'APPLICATION/JSON', 'Application/Json',
  '*/*', 'application/*', '*/json', '*/x-www-form-urlencoded', 'application/jsonx', 'application/json+x', 'xapplication/json',
  'text/plain', 'text/html', 'text/json', 'application/vnd.api+json', 'application/xml', 'application/octet-stream', '',
  'application', '/', '*', 'json', 'application/', '/json', 'application/json, text/plain', 'application / json', ';', '; charset=utf-8',
]; // prettier-ignore

export function bodyCases(): Case[] {
  const cases: Case[] = [];
  const add = (path: string, contentType: string | null, body: string | Buffer, method = 'POST'): void => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    cases.push({ method, path: `${BASE}/${path}/`, contentType, body: bytes });
  };
  for (const [path, field] of ENDPOINTS) {
    const named = (text: string): string => text.replaceAll('F', field);
    for (const value of VALUES) add(path, JSON_TYPE, `{"${field}":${value}}`);
    for (const body of BODIES) add(path, JSON_TYPE, named(body));
    for (const body of BYTES) add(path, JSON_TYPE, Buffer.from(named(body), 'latin1'));
    for (const body of FORMS) add(path, FORM, Buffer.from(named(body), 'latin1'));
    for (const type of TYPES) add(path, type, `{"${field}":true}`);
    for (const type of [...TYPES, null]) add(path, type, '');
    add(path, null, '{}');
    add(path, `${FORM}; charset=utf-8`, `${field}=`);
    add(path, 'application/json; charset=latin-1', Buffer.from(`{"${field}":"\xff"}`, 'latin1'));
    for (const [type, body] of multipart(field)) add(path, type, body);
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'TRACE']) add(path, null, '', method);
    add(path, 'text/plain', 'x', 'PUT');
  }
  return cases;
}

function multipart(field: string): [type: string, body: string][] {
  const part = (disposition: string, value: string): string =>
    `--XX\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`;
  const named = `name="${field}"`;
  const end = '--XX--\r\n';
  return [
    [MULTIPART, part(named, 'a') + end],
    [MULTIPART, part(named, '') + end],
    [MULTIPART, part(named, ' \n ') + end],
    [MULTIPART, part(named, 'a\0b') + end],
    [MULTIPART, part(named, 'é') + end],
    [MULTIPART, part('name="x"', 'a') + end],
    [MULTIPART, part('name="x"', 'a') + part(named, 'b') + end],
    [MULTIPART, part(named, 'a') + part(named, '') + end],
    [MULTIPART, part(named, '') + part(named, 'a') + end],
    [MULTIPART, part(`${named}; filename="f.txt"`, 'a') + end],
    ['multipart/form-data; boundary="XX"', part(named, 'a') + end],
    ['multipart/form-data;boundary=XX', part(named, 'a') + end],
    ['multipart/form-data', part(named, 'a') + end],
    ['multipart/form-data; boundary=', part(named, 'a') + end],
    ['MULTIPART/form-data; boundary=XX', part(named, 'a') + end],
    ['*/form-data; boundary=XX', part(named, 'a') + end],
    [MULTIPART, ''],
  ];
}
