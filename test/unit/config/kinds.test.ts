import { describe, expect, it } from 'vitest';
import { chainKey } from '../../../src/config/key-kinds.js';
import { integer, path, port, text } from '../../../src/config/kinds.js';
import { host, postgresUrl, urlPath } from '../../../src/config/network-kinds.js';
import { columnName, tableName } from '../../../src/config/sql-kinds.js';

const LONG = 'x'.repeat(64);

describe('what values are allowed', () => {
  it.each(['0', '80', '65535'])('port %s', (value) => expect(port.parse(value)).toBe(Number(value)));
  it.each(['', '-1', '65536', '80.5', '0x50', '8e1', ' 80', 'http'])('no port: %j', (value) =>
    expect(port.parse(value)).toBeUndefined(),
  );

  it('whole numbers within their bounds', () => {
    const pool = integer({ min: 1, max: 1000 });
    expect(['0', '1', '1000', '1001', '1.0', 'Infinity'].map((n) => pool.parse(n))).toEqual([
      undefined,
      1,
      1000,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['localhost', 'localhost'],
    ['db-1.example.org', 'db-1.example.org'],
  ])('host %s', (given, read) => expect(host.parse(given)).toBe(read));
  it.each(['', ' ', '1.2.3', '300.1.1.1', 'a b', 'http://x', 'x:80', '-x', 'a/b'])('no host: %j', (value) =>
    expect(host.parse(value)).toBeUndefined(),
  );

  it.each([
    ['/account/token', '/account/token'],
    ['account/token/', '/account/token'],
    ['/api/v1.0/~x', '/api/v1.0/~x'],
    ['/', ''],
  ])('base path %j is %j', (given, read) => expect(urlPath.parse(given)).toBe(read));
  it.each(['', '//', '/a//b', '/a/../b', '/a?b', '/a b', '/ä', '/%41'])('no base path: %j', (value) =>
    expect(urlPath.parse(value)).toBeUndefined(),
  );

  it.each(['postgres://u:p@h:5432/d', 'postgresql://h/d', 'postgres:///d?host=/run/postgresql'])(
    'database URL %s',
    (value) => expect(postgresUrl.parse(value)).toBe(value),
  );
  it.each(['', 'h:5432/d', 'mysql://h/d', 'http://h', 'postgres'])('no database URL: %j', (value) =>
    expect(postgresUrl.parse(value)).toBeUndefined(),
  );

  it.each(['auth_user', 'Users', 'app.people', '"My Schema"."a""b"', 'public."User"', 'größe'])(
    'table %s',
    (value) => expect(tableName.parse(value)).toBe(value),
  );
  it.each([
    '',
    'a.b.c',
    '.a',
    'a.',
    '1a',
    'a b',
    'a;drop',
    '"a',
    '""',
    LONG,
    `"${LONG}"`,
    `a.${LONG}`,
    'a\0',
  ])('no table: %j', (value) => expect(tableName.parse(value)).toBeUndefined());

  it.each(['id', 'is_active', 'is active', 'x'.repeat(63)])('column %s', (value) =>
    expect(columnName.parse(value)).toBe(value),
  );
  it.each(['', '"id"', 'a\0', 'a\nb', LONG, 'ä'.repeat(32)])('no column: %j', (value) =>
    expect(columnName.parse(value)).toBeUndefined(),
  );

  it('texts are trimmed, paths are not', () => {
    expect(text('name').parse(' me ')).toBe('me');
    expect(text('name').parse(' \t')).toBeUndefined();
    expect(path('file').parse(' me ')).toBe(' me ');
  });
});

describe('chain keys', () => {
  const bytes = Buffer.from('fb ff fe 00 01 02 03 04 05 06 07 08 09 0a 0b 0c'.replaceAll(' ', ''), 'hex');

  it.each([
    ['hex', bytes.toString('hex')],
    ['hex in capitals', bytes.toString('hex').toUpperCase()],
    ['base64', bytes.toString('base64')],
    ['base64 without padding', bytes.toString('base64').replace(/=+$/, '')],
    ['base64url', bytes.toString('base64url')],
  ])('are read from %s', (_, written) => {
    expect(chainKey.parse(written)).toEqual(bytes);
  });

  it.each([
    ['15 bytes of hex', '00'.repeat(15)],
    ['15 bytes of base64', Buffer.alloc(15, 1).toString('base64')],
    ['a character of another alphabet', `${bytes.toString('base64')}!`],
    ['base64 cut in the middle', bytes.toString('base64url').slice(0, -1)],
    ['nothing', ''],
  ])('are refused: %s', (_, written) => {
    expect(chainKey.parse(written)).toBeUndefined();
  });
});
