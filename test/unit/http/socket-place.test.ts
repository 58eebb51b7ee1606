/** Who gets the place of a socket, and whose is left alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { SocketPlace } from '../../../src/http/socket-place.js';

describe.skipIf(process.platform === 'win32')('the place of a unix socket', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'carelink-socket-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const path = () => join(directory, 'x.sock');

  /** Says its name to whoever connects. */
  const listenAt = async (at: string, name: string): Promise<Server> => {
    const server = createServer((socket) => socket.on('error', () => undefined).end(name));
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(at, resolve));
    onTestFinished(() => void server.close());
    return server;
  };
  const whoIsAt = async (at: string): Promise<string> => {
    const socket = connect(at).setEncoding('utf8');
    let told = '';
    socket.on('data', (text: string) => (told += text));
    await once(socket, 'close');
    return told;
  };
  /** As `serve` does it. */
  const take = async (owner: number, at = path()): Promise<SocketPlace> => {
    const place = new SocketPlace(at, owner);
    await place.check();
    await listenAt(place.bound, `owner ${owner}`);
    await place.publish();
    return place;
  };
  /** The socket of a process that was killed. */
  const leaveDead = async (at: string): Promise<void> => {
    const script = `require('node:net').createServer().listen(${JSON.stringify(at)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await once(spawn(process.execPath, ['-e', script]), 'exit');
    expect(lstatSync(at).isSocket()).toBe(true);
  };

  it('is open to its owner and the group, is all that is left there, and is gone when it is removed', async () => {
    const place = await take(1);
    expect(lstatSync(path()).mode & 0o777).toBe(0o660);
    expect(readdirSync(directory)).toEqual(['x.sock']);
    expect(await whoIsAt(path())).toBe('owner 1');
    await place.remove();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('a socket that somebody listens on is never taken, and one that nobody listens on is', async () => {
    await leaveDead(path());
    await take(1);
    await expect(take(2)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(await whoIsAt(path())).toBe('owner 1');
  });

  it('a file that is no socket is left as it is', async () => {
    writeFileSync(path(), 'mine');
    await expect(take(1)).rejects.toMatchObject({ code: 'ENOTSOCK' });
    expect(lstatSync(path()).isFile()).toBe(true);
  });

  it('of many that find a dead one at the same moment one gets the place, and it is never lost', async () => {
    for (let round = 0; round < 10; round++) {
      const at = join(directory, `${round}.sock`);
      await leaveDead(at);
      const tried = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => take(n + 1, at)));
      const won = tried.flatMap(({ status }, n) => (status === 'fulfilled' ? [`owner ${n + 1}`] : []));
      expect(won).toHaveLength(1);
      expect(await whoIsAt(at)).toBe(won[0]);
    }
  });

  it('what a process that was killed meanwhile left beside it is no hindrance', async () => {
    await leaveDead(path());
    writeFileSync(`${path()}.dead`, '');
    await leaveDead(new SocketPlace(path(), 1).bound);
    await take(1);
    expect(readdirSync(directory)).toEqual(['x.sock']);
  });

  it('workers of one process publish what they share once', async () => {
    const place = new SocketPlace(path(), 1);
    await place.check();
    await listenAt(place.bound, 'shared');
    await Promise.all([place.publish(), place.publish(), place.publish()]);
    expect(await whoIsAt(path())).toBe('shared');
  });

  it('says so where what it bound was taken away, and takes away no file that is no socket', async () => {
    const place = new SocketPlace(path(), 1);
    await place.check();
    await expect(place.publish()).rejects.toMatchObject({ code: 'ENOENT' });
    writeFileSync(place.bound, 'of somebody');
    await place.check();
    expect(existsSync(place.bound)).toBe(true);
  });

  it('two containers with one number don’t meet in what they bind', () => {
    expect(new SocketPlace(path(), 1, 'a').bound).not.toBe(new SocketPlace(path(), 1, 'b').bound);
  });

  it('of a worker that listens when the server has begun to stop is put nowhere', async () => {
    const place = await take(1);
    await place.remove();
    await listenAt(place.bound, 'late');
    await place.publish();
    expect(existsSync(path())).toBe(false);
  });

  it("what another server has put there since is not removed by the first one's end", async () => {
    const first = await take(1);
    rmSync(path());
    await take(2);
    await first.remove();
    expect(existsSync(path())).toBe(true);
    expect(await whoIsAt(path())).toBe('owner 2');
  });
});
