import { openClient } from './postgres.js';

/** Locks the row of a token, as somebody's open transaction does: no refresh of it ends until it is let go. */
export async function holdRow(url: string, jti: string): Promise<() => Promise<void>> {
  const client = await openClient(url);
  await client.query('BEGIN');
  await client.query('SELECT FROM token_blacklist_outstandingtoken WHERE jti = $1 FOR UPDATE', [jti]);
  return async () => {
    await client.query('ROLLBACK');
    await client.end();
  };
}
