import { request, type Dispatcher } from 'undici';

const TIMEOUT_MS = 5_000;

/** Processor time that the server's process has used since its start; undefined where its `/metrics` doesn't tell. */
export async function readServerCpuSeconds(
  adminUrl: string,
  dispatcher?: Dispatcher,
): Promise<number | undefined> {
  try {
    const url = new URL('/metrics', adminUrl);
    const response = await request(url, {
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    const line = /^process_cpu_seconds_total (\S+)$/m.exec(await response.body.text());
    return line?.[1] === undefined ? undefined : Number(line[1]);
  } catch {
    // It is only for judging a miss; the run is not to fail of it.
    return undefined;
  }
}
