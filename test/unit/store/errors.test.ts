import { describe, expect, it } from 'vitest';
import { classify, leavesConnectionUsable, NotConnectedError } from '../../../src/store/errors.js';

const sqlError = (code: string, detail?: string) =>
  Object.assign(new Error('refused'), { code, severity: 'ERROR', detail });

describe('a failed statement', () => {
  it.each([
    ['55P03', 'contended'],
    ['40P01', 'contended'],
    ['40001', 'contended'],
    ['53300', 'server_down'],
    ['57014', 'server_down'],
    ['25006', 'server_down'],
    // Their session may have ended between the commit and the message that would have told of it.
    ['57P01', 'in_doubt'],
    ['57P02', 'in_doubt'],
    // PgBouncer's words for a server that it lost under a statement.
    ['08P01', 'in_doubt'],
    ['08006', 'in_doubt'],
    ['22P05', 'refused'],
    ['23502', 'refused'],
    // What the database lacks: no item's fault.
    ['42P01', 'unfit'],
    ['42703', 'unfit'],
    ['3F000', 'unfit'],
    ['42501', 'unfit'],
  ])('with SQLSTATE %s is %s', (code, kind) => {
    expect(classify(sqlError(code)).kind).toBe(kind);
  });

  it('without a SQLSTATE is in doubt, whatever code Node gives it', () => {
    expect(classify(new Error('Connection terminated unexpectedly')).kind).toBe('in_doubt');
    expect(classify(Object.assign(new Error('read'), { code: 'EPIPE' })).kind).toBe('in_doubt');
    expect(classify(new Error('Query read timeout')).kind).toBe('in_doubt');
  });

  it('that was never sent is known not to stand', () => {
    expect(classify(new NotConnectedError('no')).kind).toBe('not_sent');
  });

  it('because of a foreign key names the row', () => {
    const gone = sqlError('23503', 'Key (user_id)=(7) is not present in table "auth_user".');
    expect(classify(gone)).toEqual({ kind: 'reference_gone', column: 'user_id', value: '7' });
    expect(classify(sqlError('23503', 'La clave es otra.')).kind).toBe('refused');
  });

  it('leaves its connection usable only where the server refused it', () => {
    expect(['55P03', '23503', '22P05'].map((code) => leavesConnectionUsable(sqlError(code)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['57P01', '57014', '53300'].map((code) => leavesConnectionUsable(sqlError(code)))).toEqual([
      false,
      false,
      false,
    ]);
    expect(['26000', '42P01'].map((code) => leavesConnectionUsable(sqlError(code)))).toEqual([false, true]);
    expect(leavesConnectionUsable(new Error('Connection terminated unexpectedly'))).toBe(false);
  });
});
