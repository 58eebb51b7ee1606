import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RedisAddress } from '../redis-address.js';
import { CERTIFICATE_ALERT, WANTS_CERTIFICATE } from './redis-failure.js';
import { redisTlsOptions } from './redis-tls.js';

/** Both ways are tried at once, and one that is right answers in milliseconds. A start waits no longer. */
const PATIENCE_MS = 1_000;

/** How long an alert about our certificate may take, once we are done with our part. */
const ALERT_MS = 250;

type Heard = { readonly said: string; readonly secure: boolean; readonly code: string | undefined };

/**
 * Looks what it is that takes connections and lets no client in: a Redis that speaks TLS answers nothing to plain text, and
 * the other way round, so that a client sees a reset or silence. Returns what is so and what to do; undefined: that can't be
 * told. Never rejects.
 */
export async function whatAnswers(
  address: RedisAddress,
  patienceMs = PATIENCE_MS,
): Promise<string | undefined> {
  const [node] = address.nodes;
  const place = address.path === undefined ? node : { path: address.path };
  if (place === undefined) return undefined;
  // Of sentinels it is they who are asked first.
  const tls = address.kind === 'sentinel' ? address.sentinel?.tls === true : address.tls !== undefined;
  const [plain, secured] = await Promise.all([
    hear(connectPlain(place), 'connect', patienceMs),
    hear(
      connectTls({
        ...(address.tls && redisTlsOptions(address.tls)),
        ...place,
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      }),
      'secureConnect',
      patienceMs,
    ),
  ]);
  if (tls) {
    if (secured.code !== undefined && CERTIFICATE_ALERT.test(secured.code))
      return `${WANTS_CERTIFICATE} (${secured.code})`;
    if (!secured.secure && isRedis(plain)) {
      return 'it does not speak TLS at this port: write redis:// instead of rediss://, or its tls-port';
    }
  } else if (secured.secure && !isRedis(plain)) {
    return 'it speaks TLS at this port: write rediss:// instead of redis://, or its plain port';
  }
  if (plain.said !== '' && !isRedis(plain))
    return 'what answers there is no Redis: check host and port in --redis-url';
  return undefined;
}

function isRedis({ said }: Heard): boolean {
  return /^(?:\+PONG|-)/.test(said);
}

function hear(socket: Socket, ready: 'connect' | 'secureConnect', patienceMs: number): Promise<Heard> {
  return new Promise((resolve) => {
    let secure = false;
    const end = (said: string, code?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ said, secure, code });
    };
    const timer = setTimeout(() => end(''), patienceMs);
    socket.once(ready, () => {
      secure = ready === 'secureConnect';
      // An alert about our certificate comes after we are done; what we wrote meanwhile would turn it into a reset.
      if (!secure) socket.write('PING\r\n');
      else setTimeout(() => socket.destroyed || socket.write('PING\r\n'), ALERT_MS);
    });
    socket.once('data', (data) => end(data.toString('latin1', 0, 100)));
    // It may fail again once it is given up.
    socket.on('error', (error: NodeJS.ErrnoException) => end('', error.code));
    socket.once('close', () => end(''));
  });
}
