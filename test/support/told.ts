import pg from 'pg';

/** What the triggers of `migrate --notify` tell while the statements run. */
export async function toldOf(url: string, statements: readonly string[]): Promise<(string | undefined)[]> {
  const client = new pg.Client({ connectionString: url });
  const payloads: (string | undefined)[] = [];
  client.on('notification', ({ payload }) => payloads.push(payload));
  await client.connect();
  await client.query('LISTEN carelink_changes');
  for (const statement of statements) await client.query(statement);
  await client.query('SELECT');
  await client.end();
  return payloads;
}
