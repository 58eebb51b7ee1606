import { expect, test } from 'vitest';
import { recordedMatrixSuite } from './matrix-5.5-suite.js';
import { ask, readHeadRecord, readRecord, writeRecord } from './matrix/record.js';
import { SYNC } from './pair.js';

recordedMatrixSuite(SYNC);

/**
 * The directory of simplejwt's sources at v5.5.1, where there is one: the record is then held against them, and
 * written anew with RECORD=1.
 */
const source = process.env['SIMPLEJWT_5_5_SOURCE'];
if (source !== undefined) {
  test('the record is what simplejwt 5.5.1 answers', async () => {
    const asked = await ask(source);
    if (process.env['RECORD'] === '1') writeRecord(asked);
    expect(asked).toEqual(readRecord());
  });
}

const headSource = process.env['SIMPLEJWT_HEAD_SOURCE'];
if (headSource !== undefined) {
  test('the head of simplejwt answers otherwise what is recorded, and nothing else', async () => {
    expect(await ask(headSource)).toEqual({ ...readRecord(), ...readHeadRecord() });
  });
}
